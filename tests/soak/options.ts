/** What the command line of the soak says. */
import { parseArgs } from 'node:util';

export type BrokerKind = 'embedded' | 'mosquitto';
const BROKERS = ['both', 'embedded', 'mosquitto'] as const;

/** What was asked for: one street after the other, each with its broker, its part of the time and of the kills. */
export interface SoakPlan {
  readonly seed: number;
  readonly streets: readonly SoakOptions[];
  /** The options that ask for the same again. */
  readonly again: string;
}

export interface SoakOptions {
  /** How long frames flow and processes die; building, draining and checking come on top. */
  readonly minutes: number;
  readonly seed: number;
  readonly kills: number;
  readonly broker: BrokerKind;
  /** Whether the recorded streets are replayed at the end. */
  readonly withRecorded: boolean;
  /** Gateways that return after a day, each with a day's frames; 0: none do. */
  readonly fleet: number;
}

export const USAGE = `Usage: npm run soak -- [options]

A street of ${'`commonwatt-sim`'}, gateways and ledger as processes, killed at random moments while 50 frames a second flow.
At the end everything is added up and proved.

Options:
  --minutes <n>   how long frames flow, 0.2 to 600 (default: 4)
  --kills <n>     how many kill -9 in that time (default: 50 a minute)
  --seed <n>      draws moments and victims; the same seed draws the same ones (default: a fresh one)
  --broker <b>    embedded; mosquitto, an outside broker that is killed too; or both, one after the other, half of the time
                  and of the kills each (default: both, or embedded where mosquitto is not installed)
  --fleet <n>     gateways that come back after a day away with 96 frames each, 10 to 1,900 (default: 1000)
  --no-fleet      without them
  --no-recorded   without the replays of the recorded streets at the end
  --help          this text`;

const DEFAULT_MINUTES = 4;
const DEFAULT_FLEET = 1_000;
const KILLS_A_MINUTE = 50;
const MAX_SEED = 2 ** 32 - 1;

/** Throws an Error with a sentence for what is not understood. */
export function parseOptions(args: readonly string[], hasMosquitto: boolean): SoakPlan | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string' },
      seed: { type: 'string' },
      kills: { type: 'string' },
      broker: { type: 'string', default: hasMosquitto ? 'both' : 'embedded' },
      fleet: { type: 'string', default: String(DEFAULT_FLEET) },
      'no-fleet': { type: 'boolean', default: false },
      'no-recorded': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const asked = BROKERS.find((one) => one === values.broker);
  if (asked === undefined) throw new Error(`--broker: expected one of ${BROKERS.join(', ')}, got ${values.broker}`);
  const minutes = numberIn('--minutes', values.minutes ?? String(DEFAULT_MINUTES), 0.2, 600);
  const seed = Math.floor(numberIn('--seed', values.seed ?? String(Math.floor(Math.random() * MAX_SEED)), 0, MAX_SEED));
  const kills = Math.floor(
    numberIn('--kills', values.kills ?? String(Math.round(minutes * KILLS_A_MINUTE)), 0, 100_000),
  );
  const fleet = values['no-fleet'] ? 0 : Math.floor(numberIn('--fleet', values.fleet, 10, 1_900));
  const whole = { minutes, kills, seed, fleet, withRecorded: !values['no-recorded'] };
  return {
    seed,
    again: [
      ...['--seed', seed, '--minutes', minutes, '--kills', kills, '--broker', asked],
      ...(fleet === 0 ? ['--no-fleet'] : ['--fleet', fleet]),
    ].join(' '),
    streets: asked === 'both' ? halves(whole) : [{ ...whole, broker: asked }],
  };
}

/** The fleet comes back to the embedded broker, and what was recorded is replayed once, at the end. */
function halves({ minutes, kills, seed, fleet, withRecorded }: Omit<SoakOptions, 'broker'>): readonly SoakOptions[] {
  const first = Math.ceil(kills / 2);
  return [
    { broker: 'embedded', minutes: minutes / 2, kills: first, seed, fleet, withRecorded: false },
    { broker: 'mosquitto', minutes: minutes / 2, kills: kills - first, seed: seed + 1, fleet: 0, withRecorded },
  ];
}

function numberIn(name: string, text: string, from: number, to: number): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= from && value <= to) return value;
  throw new Error(`${name}: expected ${from} to ${to}, got ${text}`);
}
