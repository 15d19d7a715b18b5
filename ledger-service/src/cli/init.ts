import { toHex } from '@commonwatt/firmware-protocol';
import { RealClock } from '../adapters/system/clock.js';
import { LedgerError } from '../core/errors.js';
import type { Clock } from '../usecases/ports.js';
import { type CommunityPlan, createCommunity } from './community-setup.js';
import { type CommandContext, EXIT } from './context.js';
import { DataFolder } from './data-folder.js';
import { openLedger } from './open-ledger.js';
import {
  type IntervalSeconds,
  MISSING_POLICIES,
  type MissingPolicy,
  NETTINGS,
  type NettingName,
} from './option-values.js';

export interface InitOptions {
  readonly data: string;
  readonly community: string;
  readonly host: string;
  readonly currency: string;
  readonly interval: IntervalSeconds;
  readonly timeZone: string;
  readonly netting: NettingName;
  readonly missing: MissingPolicy;
  readonly price: number;
  readonly levy: number;
  readonly settleAfter: number;
  readonly grace: number;
  /** Absent: one interval. */
  readonly maxSpan?: number;
  /** UTC seconds. Absent: the interval that runs now. */
  readonly firstInterval?: number;
  readonly commons: string;
  readonly k: number;
}

/** Makes the keys of a community and the first entries of its log. Refuses to run twice. */
export async function runInit(options: InitOptions, { output }: CommandContext): Promise<number> {
  const folder = new DataFolder(options.data);
  folder.checkNotServed();
  checkTimeZone(options.timeZone);
  checkFirstInterval(options);
  const clock = new RealClock();
  const plan = planOf(options, clock);
  const keys = await initCommunity(folder, plan, clock);
  folder.token();
  const files = { data: folder.path, keys: folder.keyFile(plan.community, 'log').replace(/log\.key$/, '') };
  output.result(
    {
      community: plan.community,
      origin: `${plan.host}/${plan.community}`,
      interval_s: plan.intervalS,
      first_interval: new Date(plan.firstIntervalS * 1_000).toISOString(),
      log_key: keys.log,
      answer_key: keys.answer,
      operator_key: keys.operator,
      ...files,
    },
    [
      `Community ${plan.community} begins, as ${plan.host}/${plan.community}.`,
      `Its keys are in ${files.keys} (mode 0600). Keep a copy of operator.key elsewhere; it need not lie on the server.`,
      '',
      'What next:',
      `  commonwatt serve --data ${options.data}`,
      `  commonwatt enrol --data ${options.data} --home ID --key FILE --meter PROFILE`,
    ].join('\n'),
  );
  return EXIT.done;
}

/** Returns the public keys, hex. Throws 'conflict' when the community is there already, and leaves it untouched. */
export async function initCommunity(folder: DataFolder, plan: CommunityPlan, clock: Clock) {
  if (folder.hasKeys(plan.community)) {
    throw new LedgerError(
      'conflict',
      `community ${plan.community} was made in ${folder.path} before; nothing was changed`,
    );
  }
  const open = openLedger(folder, clock);
  try {
    if ((await open.store.size(plan.community)) > 0) {
      throw new LedgerError(
        'conflict',
        `the log of ${plan.community} has begun in ${folder.path}; nothing was changed`,
      );
    }
    const keys = folder.createKeys(plan.community);
    await createCommunity(open.ledger, plan, { keys, hasher: open.crypto.hasher });
    return {
      log: toHex(keys.log.publicKey),
      answer: toHex(keys.answer.publicKey),
      operator: toHex(keys.operator.publicKey),
    };
  } finally {
    await open.close();
  }
}

function planOf(options: InitOptions, clock: Clock): CommunityPlan {
  const { community, host, currency, interval, timeZone } = options;
  return {
    community,
    host,
    currency,
    intervalS: interval,
    timeZone,
    settings: {
      settleAfterS: options.settleAfter,
      graceS: options.grace,
      maxSpanS: options.maxSpan ?? interval,
      outagePolicy: MISSING_POLICIES[options.missing],
      kAnonymity: options.k,
      commonsMember: options.commons,
    },
    rules: {
      netting: NETTINGS[options.netting],
      consumerRule: 1,
      producerRule: 1,
      priceMicroPerKwh: options.price,
      levyBasisPoints: options.levy,
    },
    firstIntervalS: options.firstInterval ?? Math.floor(clock.nowMs() / 1_000 / interval) * interval,
  };
}

/** Intervals begin on a grid that is the same for everybody. */
function checkFirstInterval({ firstInterval = 0, interval }: InitOptions): void {
  if (firstInterval % interval === 0) return;
  const got = new Date(firstInterval * 1_000).toISOString();
  throw new LedgerError('config', `--first-interval: expected a start on the grid of ${interval / 60}m, got ${got}`);
}

function checkTimeZone(timeZone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch (cause) {
    throw new LedgerError('config', `--time-zone: expected a name like Europe/Brussels, got ${timeZone}`, { cause });
  }
}
