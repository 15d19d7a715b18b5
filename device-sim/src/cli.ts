import { resolve } from 'node:path';
import { nearestName } from '@commonwatt/firmware-protocol/registers';
import { Command, InvalidArgumentError } from 'commander';
import { SimError } from './errors.js';
import { MAX_HOMES } from './street/scenario.js';

/** What the command line asks for. */
export type SimCommand =
  | { readonly kind: 'lines'; readonly bind: string }
  | {
      readonly kind: 'street';
      readonly bind: string;
      readonly json: boolean;
      readonly speed: number;
      readonly homes: number | undefined;
      readonly scenario: string | undefined;
      readonly state: string | undefined;
      readonly truth: string | undefined;
      readonly firstPort: number;
    }
  | {
      readonly kind: 'replay';
      readonly bind: string;
      readonly json: boolean;
      readonly file: string;
      readonly speed: number;
    };

const MAX_SPEED = 100_000;
const LOOPBACK = '127.0.0.1';

/**
 * Parses arguments (without program and script). Prints help and refusals itself and exits as commander does, with
 * the nearest right option named.
 */
export function parseCommandLine(args: readonly string[]): SimCommand {
  let chosen: SimCommand | undefined;
  const program = new Command('commonwatt-sim')
    .description('A street of meters that speak real Modbus TCP and misbehave on command.')
    .version('0.1.0')
    .option('--lines', 'speak the line protocol on standard input and output')
    .option('--bind <address>', 'address that the meters listen on', LOOPBACK)
    .showSuggestionAfterError(true)
    .showHelpAfterError('(commonwatt-sim --help shows every option)')
    .allowExcessArguments(true)
    .action((options: { lines?: true; bind: string }) => {
      refuseUnknownCommand(program);
      if (options.lines !== true) program.help({ error: true });
      chosen = { kind: 'lines', bind: options.bind };
    });
  program
    .command('street')
    .allowExcessArguments(false)
    .description('the built-in street, or one of your own, with a running clock')
    .option('--speed <factor>', 'simulated seconds per second', toNumber({ min: 0, max: MAX_SPEED }), 1)
    .option('--homes <n>', 'how many homes', toNumber({ min: 1, max: MAX_HOMES, whole: true }))
    .option('--scenario <file>', 'a scenario of your own')
    .option('--state <file>', 'go on from this file, and keep it up to date')
    .option('--truth <file>', 'write there at the end what really happened')
    .option('--first-port <port>', 'ports from here on, one a device', toNumber({ min: 1, max: 65_535, whole: true }))
    .option('--json', 'print one JSON object instead of a table')
    .action((options: StreetFlags, command: Command) => {
      chosen = toStreet(options, command.optsWithGlobals<{ bind: string }>().bind);
    });
  program
    .command('replay')
    .allowExcessArguments(false)
    .description('a recorded register file (CSV or CSV.gz) behind reference meters, one a household')
    .argument('<file>', 'columns utc_timestamp,household,register,value,unit')
    .option('--speed <factor>', 'recorded seconds per second', toNumber({ min: 0, max: MAX_SPEED }), 300)
    .option('--json', 'print one JSON object instead of a table')
    .action((file: string, options: { speed: number; json?: true }, command: Command) => {
      const { bind } = command.optsWithGlobals<{ bind: string }>();
      chosen = { kind: 'replay', bind, json: options.json === true, file: resolve(file), speed: options.speed };
    });
  program.parse([...args], { from: 'user' });
  if (chosen === undefined) throw new SimError('bad-request', 'expected a command: street or replay');
  return chosen;
}

/** Commander does this by itself only where the program has no action of its own. */
function refuseUnknownCommand(program: Command): void {
  const [given] = program.args;
  if (given === undefined) return;
  const names = program.commands.map((command) => command.name());
  const nearest = nearestName(given, names);
  const hint = nearest === undefined ? `Known are ${names.join(', ')}.` : `Did you mean ${nearest}?`;
  program.error(`error: unknown command '${given}'\n(${hint})`);
}

interface StreetFlags {
  readonly speed: number;
  readonly homes?: number;
  readonly scenario?: string;
  readonly state?: string;
  readonly truth?: string;
  readonly firstPort?: number;
  readonly json?: true;
}

function toStreet(flags: StreetFlags, bind: string): SimCommand {
  const path = (name: string | undefined) => (name === undefined ? undefined : resolve(name));
  return {
    kind: 'street',
    bind,
    json: flags.json === true,
    speed: flags.speed,
    homes: flags.homes,
    scenario: path(flags.scenario),
    state: path(flags.state),
    truth: path(flags.truth),
    firstPort: flags.firstPort ?? 0,
  };
}

function toNumber({ min, max, whole = false }: { min: number; max: number; whole?: boolean }) {
  return (text: string): number => {
    const value = /^\d{1,9}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
    throw new InvalidArgumentError(`Expected a ${whole ? 'whole ' : ''}number from ${min} to ${max}.`);
  };
}
