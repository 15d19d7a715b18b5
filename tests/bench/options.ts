import { parseArgs } from 'node:util';
import { nearestName } from '@commonwatt/firmware-protocol/registers';
import { MEASURES, type MeasureName } from './figures.js';

export interface BenchOptions {
  readonly only: readonly MeasureName[];
  /** A tenth of the sizes and single runs: to see that it works, and roughly where things stand. */
  readonly quick: boolean;
  /** Steady runs that the middle one is taken of. */
  readonly runs: number;
  readonly gatewaySeconds: number;
  /** Where the raw figures go. */
  readonly out: string;
}

export const USAGE = `npm run bench -- [options]

Measures what the project costs, each figure beside a limit of the same run, and writes bench.json.

  --only a,b            some of: ${MEASURES.join(', ')}
  --quick               small sizes, single runs: a minute or two
  --runs N              steady runs of endToEnd and settlement (default 3 and 1; the middle one counts)
  --gateway-minutes N   how long the gateway is watched (default 1; 60 for the hour of the aim)
  --out FILE            where the raw figures go (default bench.json)
  --help                this text`;

const MAX_RUNS = 20;
const MAX_GATEWAY_MINUTES = 24 * 60;

/** A text is what is to be said instead of measuring: the usage, or what is wrong. */
export type Parsed = { readonly options: BenchOptions } | { readonly usage: string } | { readonly wrong: string };

export function parseOptions(args: readonly string[]): Parsed {
  try {
    return parse(args);
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
}

function parse(args: readonly string[]): Parsed {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      'gateway-minutes': { type: 'string' },
      out: { type: 'string', default: 'bench.json' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return { usage: USAGE };
  const minutes = values['gateway-minutes'] ?? (values.quick ? '0.25' : '1');
  const options = {
    only: values.only === undefined ? MEASURES : values.only.split(',').map(measureNamed),
    quick: values.quick,
    runs: numberBetween('--runs', values.runs ?? (values.quick ? '1' : '3'), 1, MAX_RUNS),
    gatewaySeconds: numberBetween('--gateway-minutes', minutes, 0.1, MAX_GATEWAY_MINUTES) * 60,
    out: values.out,
  };
  return { options };
}

function measureNamed(text: string): MeasureName {
  const name = MEASURES.find((measure) => measure === text.trim());
  if (name !== undefined) return name;
  const near = nearestName(text, MEASURES);
  throw new Error(`--only: there is no ${text}${near === undefined ? '' : `, did you mean ${near}?`}`);
}

function numberBetween(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= min && value <= max) return value;
  throw new Error(`${option}: expected ${min} to ${max}, got ${text}`);
}
