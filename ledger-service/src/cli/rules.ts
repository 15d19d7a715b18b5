import { parseCredits } from '@commonwatt/firmware-protocol';
import { RealClock } from '../adapters/system/clock.js';
import { LedgerError } from '../core/errors.js';
import type { RuleSettings } from '../core/records/index.js';
import { signRules } from './community-setup.js';
import { type CommandContext, EXIT } from './context.js';
import { DataFolder } from './data-folder.js';
import { chooseCommunity, type Door, type Json, openDoor, textOf } from './door.js';
import { type OperatorOptions, signingFor, submitSigned } from './operator-entries.js';
import { NETTINGS, type NettingName } from './option-values.js';
import { formatTable, type Output } from './output.js';

export interface RulesOptions extends OperatorOptions {
  /** What is absent stays as it is. With none of the three the rules are listed, and nothing is signed. */
  readonly netting?: NettingName;
  readonly price?: number;
  readonly levy?: number;
  /** UTC seconds. Absent: the next interval. */
  readonly from?: number;
}

/** Lists the sharing rules, or signs new ones that hold from an interval's start on. */
export async function runRules(options: RulesOptions, { output }: CommandContext): Promise<number> {
  const { netting, price, levy, from } = options;
  const isChange = netting !== undefined || price !== undefined || levy !== undefined;
  if (from !== undefined && !isChange) {
    throw new LedgerError('config', '--from: expected --price, --levy or --netting with it, got none');
  }
  const door = await openDoor(new DataFolder(options.data));
  try {
    const community = await chooseCommunity(door, options.community);
    const { items } = await door.list(`/v1/communities/${community}/rules`);
    if (isChange) await change({ options, door, output, community, before: newestOf(items) });
    else output.result({ community, rules: items }, formatTable(COLUMNS, items.map(rowOf)));
  } finally {
    await door.close();
  }
  return EXIT.done;
}

async function change(input: {
  readonly options: RulesOptions;
  readonly door: Door;
  readonly output: Output;
  readonly community: string;
  readonly before: Json;
}): Promise<void> {
  const { options, door, output, community, before } = input;
  const about = await door.get(`/v1/communities/${community}`);
  const intervalS = Number(about.interval_s);
  const firstIntervalS = options.from ?? Math.ceil(new RealClock().nowMs() / 1_000 / intervalS) * intervalS;
  const rules = changed(options, before);
  const plan = { intervalS, currency: textOf(about, 'currency'), rules, firstIntervalS };
  const indices = await submitSigned(door, community, [signRules(plan, signingFor(options, community, about))]);
  const from = new Date(firstIntervalS * 1_000).toISOString().replace('.000Z', 'Z');
  output.result(
    {
      ...{ community, first_interval: from, netting: nettingName(rules) },
      ...{ price: rules.priceMicroPerKwh, levy: rules.levyBasisPoints, indices },
    },
    `The new rules hold from ${from} on, by entry ${indices[0]} of the log; what began earlier keeps those before.`,
  );
}

const COLUMNS = [
  { head: 'from' },
  { head: 'netting' },
  { head: 'price a kWh', right: true },
  { head: 'levy, basis points', right: true },
  { head: 'entry', right: true },
];

function rowOf({ first_interval: from, netting, price, levy_basis_points: levy, index }: Json): string[] {
  return [from, netting, price, levy, index].map(String);
}

/** The last that were signed, whether they hold already or not. */
function newestOf(items: readonly Json[]): Json {
  const newest = items.at(-1);
  if (newest === undefined) throw new LedgerError('not-found', 'the community has no rules yet');
  return newest;
}

function changed({ netting, price, levy }: RulesOptions, before: Json): RuleSettings {
  return {
    netting: NETTINGS[netting ?? (textOf(before, 'netting') as NettingName)],
    consumerRule: 1,
    producerRule: 1,
    priceMicroPerKwh: price ?? Number(parseCredits(textOf(before, 'price'))),
    levyBasisPoints: levy ?? Number(before.levy_basis_points),
  };
}

function nettingName({ netting }: RuleSettings): string | undefined {
  return Object.entries(NETTINGS).find(([, code]) => code === netting)?.[0];
}
