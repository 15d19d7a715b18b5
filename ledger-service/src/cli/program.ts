/** The command line: names, options, examples. What a command does stands in the file of its name. */
import { nearestName } from '@commonwatt/firmware-protocol/registers';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Config } from '../config.js';
import type { CommandContext } from './context.js';
import * as value from './option-values.js';
import { VERSION } from './version.js';

/** A command that was parsed: what to run, with which options. */
export interface Parsed {
  readonly json: boolean;
  readonly run: (context: CommandContext) => Promise<number>;
}

const MAX_PRICE = 1_000_000_000_000;
const MAX_HOMES = 100;
const MAX_LOG_SIZE = 999_999_999_999;

const EXIT_CODES = `
Exit status: 0 done; 1 failed, or what was to be equal is not; 2 a wrong option, argument or COMMONWATT_ variable.`;

/** Builds the program; `parsed` is told what was asked for. */
export function buildProgram(config: Config, parsed: (command: Parsed) => void): Command {
  const program = new HelpfulCommand('commonwatt')
    .description("The co-op's ledger: verifies what gateways sign, settles each interval, books it, and proves it.")
    .version(VERSION)
    .showHelpAfterError('(add --help for the options and examples)');
  const ask = { config, parsed };
  addDemo(program, ask);
  addInit(program, ask);
  addServe(program, ask);
  addEnrol(program, ask);
  addBalances(program, ask);
  addStatement(program, ask);
  addReplay(program, ask);
  addRebuild(program, ask);
  program.addHelpText('after', `${EXIT_CODES}\nStart with: commonwatt demo`);
  return program;
}

/** Refuses an option or command that there is not with the nearest one that there is. */
class HelpfulCommand extends Command {
  override createCommand(name?: string): Command {
    return new HelpfulCommand(name);
  }

  unknownOption(flag: string): never {
    const flags = this.options.flatMap(({ long, short }) => [long, short]).filter((one) => one !== undefined);
    const nearest = nearestName(flag.split('=')[0] ?? flag, [...flags, '--help']);
    const hint = nearest === undefined ? '' : `, did you mean ${nearest}?`;
    return this.error(`unknown option ${flag.slice(0, 80)}${hint}`, { code: 'commander.unknownOption' });
  }

  unknownCommand(): never {
    const given = this.args[0] ?? '';
    const names = this.commands.map((command) => command.name());
    const nearest = nearestName(given, names);
    const hint = nearest === undefined ? `, expected one of ${names.join(', ')}` : `, did you mean ${nearest}?`;
    return this.error(`unknown command ${given.slice(0, 80)}${hint}`, { code: 'commander.unknownCommand' });
  }
}

interface Ask {
  readonly config: Config;
  readonly parsed: (command: Parsed) => void;
}

/** Adds the options every command has, its examples, and what runs it. */
function finish<Options>(
  command: Command,
  { parsed }: Ask,
  examples: readonly string[],
  load: () => Promise<(options: Options, context: CommandContext) => Promise<number>>,
): void {
  command
    .option('--json', 'print one JSON object on standard output, everything else on standard error')
    .addHelpText('after', `\nExamples:\n${examples.map((one) => `  $ ${one}`).join('\n')}\n${EXIT_CODES}`)
    .action((options: Options & { json?: boolean }) => {
      parsed({ json: options.json === true, run: async (context) => (await load())(options, context) });
    });
}

function dataOption(config: Config, fallback = '.commonwatt'): Option {
  return new Option('--data <dir>', 'the data folder (COMMONWATT_DATA)').default(config.data ?? fallback);
}

/** An option whose default may come from the environment, checked like one that was typed. */
function fromEnvironment<T>(option: Option, set: string | undefined, otherwise: T, parse: (text: string) => T): Option {
  if (set === undefined) return option.default(otherwise).argParser(parse);
  try {
    return option.default(parse(set)).argParser(parse);
  } catch (error) {
    if (error instanceof InvalidArgumentError) {
      throw new InvalidArgumentError(`environment, for ${option.long}: ${error.message}`);
    }
    throw error;
  }
}

const communityOption = () =>
  new Option('--community <id>', 'the community, if there are several').argParser(value.id('community'));

function addDemo(program: Command, ask: Ask): void {
  const { config } = ask;
  const command = program
    .command('demo')
    .description('Run a whole street: simulated meters, a gateway process per home, broker, ledger and REST.')
    .addOption(
      new Option('--homes <n>', 'how many homes, at least 8; more than the built-in ones repeat with other seeds')
        .argParser(value.wholeNumber('homes', { min: 8, max: MAX_HOMES }))
        .default(8),
    )
    .addOption(
      new Option('--speed <x>', 'simulated seconds in a second; 288: a day in five minutes, 1: real time')
        .argParser(value.speed)
        .default(288),
    )
    .addOption(
      fromEnvironment(new Option('--port <n>', 'where REST listens (COMMONWATT_PORT)'), config.port, 8080, value.port),
    )
    .addOption(
      fromEnvironment(
        new Option('--bind <address>', 'what REST binds to (COMMONWATT_BIND)'),
        config.bind,
        '127.0.0.1',
        value.bindAddress,
      ),
    )
    .addOption(
      fromEnvironment(
        new Option('--mqtt-port <n>', 'where the broker listens; 0: any free port'),
        config.mqttPort,
        0,
        value.port,
      ),
    )
    .addOption(dataOption(config, '.commonwatt/demo'))
    .option('--fresh', 'forget the street that is in the data folder and begin a new one');
  finish(
    command,
    ask,
    [
      'commonwatt demo',
      'commonwatt demo --homes 12 --speed 60',
      'commonwatt demo --fresh --port 9090',
      'npm start -- --speed 1',
    ],
    async () => (await import('./demo/demo.js')).runDemo,
  );
}

function addInit(program: Command, ask: Ask): void {
  const command = program
    .command('init')
    .description(
      'Begin a community: keys of log, answers and operator, genesis, commons fund, first rules. Never twice.',
    )
    .addOption(dataOption(ask.config))
    .requiredOption('--community <id>', 'id of the community: stands in public for ever', value.id('community'))
    .requiredOption('--host <name>', 'host of the ledger; with the id it names the log: host/id', value.hostName)
    .option('--currency <name>', 'what credits are called', 'credits')
    .option('--interval <duration>', 'length of an interval: 5m, 15m, 30m or 60m', value.intervalS, 900)
    .option('--time-zone <name>', 'for the days of statements', 'UTC')
    .option('--netting <kind>', 'what cancels out before sharing: none, meter or member', value.netting, 'member')
    .option(
      '--price <micro>',
      'millionths of a credit per kWh received',
      value.wholeNumber('price', { min: 0, max: MAX_PRICE }),
      120_000,
    )
    .option(
      '--levy <bp>',
      'hundredths of a percent for the commons fund',
      value.wholeNumber('levy', { min: 0, max: 10_000 }),
      0,
    )
    .option('--settle-after <duration>', "after an interval's end, book with what is there", value.durationS, 900)
    .option('--grace <duration>', "after an interval's end, make it final", value.durationS, 172_800)
    .option(
      '--max-span <duration>',
      'widest gap that an edge is interpolated over; 0 forbids it (default: one interval)',
      value.durationS,
    )
    .option('--commons <id>', 'member id of the commons fund', value.id('commons'), 'commons')
    .option(
      '--k <n>',
      'totals are opened to members when so many stand behind them',
      value.wholeNumber('k', { min: 1, max: 1_000 }),
      5,
    );
  finish(
    command,
    ask,
    [
      'commonwatt init --data /var/lib/commonwatt --community sunny-street --host ledger.example',
      'commonwatt init --community sunny-street --host ledger.example --interval 15m --price 120000 --levy 200 --time-zone Europe/Brussels',
    ],
    async () => (await import('./init.js')).runInit,
  );
}

function addServe(program: Command, ask: Ask): void {
  const { config } = ask;
  const command = program
    .command('serve')
    .description('Run broker, ledger and REST until SIGINT or SIGTERM.')
    .addOption(dataOption(config))
    .addOption(
      fromEnvironment(
        new Option('--port <n>', 'where REST listens; 0: any free port (COMMONWATT_PORT)'),
        config.port,
        8080,
        value.port,
      ),
    )
    .addOption(
      fromEnvironment(
        new Option('--bind <address>', 'what REST binds to (COMMONWATT_BIND)'),
        config.bind,
        '127.0.0.1',
        value.bindAddress,
      ),
    )
    .addOption(
      config.mqtt === undefined
        ? new Option('--mqtt <url>', 'an external broker instead of the embedded one (COMMONWATT_MQTT)').argParser(
            value.mqttUrl,
          )
        : fromEnvironment(
            new Option('--mqtt <url>', 'an external broker (COMMONWATT_MQTT)'),
            config.mqtt,
            config.mqtt,
            value.mqttUrl,
          ),
    )
    .addOption(
      fromEnvironment(
        new Option('--mqtt-port <n>', 'where the embedded broker listens (COMMONWATT_MQTT_PORT)'),
        config.mqttPort,
        1883,
        value.port,
      ),
    )
    .addOption(
      fromEnvironment(
        new Option('--mqtt-bind <address>', 'what the embedded broker binds to (COMMONWATT_MQTT_BIND)'),
        config.mqttBind,
        '127.0.0.1',
        value.bindAddress,
      ),
    );
  finish(
    command,
    ask,
    [
      'commonwatt serve --data /var/lib/commonwatt',
      'commonwatt serve --mqtt mqtt://broker.example:1883 --port 8080',
      'commonwatt serve --bind 0.0.0.0 --mqtt-bind 0.0.0.0',
    ],
    async () => (await import('./serve.js')).runServe,
  );
}

function addEnrol(program: Command, ask: Ask): void {
  const command = program
    .command('enrol')
    .description("Enrol a home: sign its member and its gateway into the log and write the gateway's configuration.")
    .addOption(dataOption(ask.config))
    .addOption(communityOption())
    .option('--home <id>', 'id of the home (default: a pseudonym is drawn)', value.id('home'))
    .requiredOption('--key <file>', 'what `commonwatt-gateway key` printed on the box')
    .requiredOption(
      '--meter <profile>',
      'profile of a meter, or PROFILE@HOST:PORT/UNIT; again for each further one',
      collect,
    )
    .option('--member <id>', 'who holds the balance (default: the id of the home)', value.id('member'))
    .option('--name <text>', "the member's name; not public")
    .addOption(
      new Option('--class <kind>', 'household, commons or commercial')
        .argParser(value.oneOf(['household', 'commons', 'commercial']))
        .default('household'),
    )
    .option('--host <address>', 'where the meter answers Modbus TCP', value.hostName, '127.0.0.1')
    .option('--port <n>', 'its port', value.wholeNumber('port', { min: 1, max: 65_535 }), 502)
    .option(
      '--unit <n>',
      'its Modbus unit (default: that of the profile)',
      value.wholeNumber('unit', { min: 0, max: 255 }),
    )
    .option('--limit <kW>', 'largest power that is believed (default: no limit)', value.kilowattsAsW, 0)
    .option('--poll <duration>', 'how often it is read inside an interval; 0: at the edges only', value.durationS, 60)
    .option('--mqtt <url>', 'the broker as the box reaches it (default: that of `serve`)', value.mqttUrl);
  finish(
    command,
    ask,
    [
      'commonwatt-gateway key --data /var/lib/commonwatt-gateway > box.key',
      'commonwatt enrol --home green-door --key box.key --meter eastron-sdm630 --host 192.168.1.20 --unit 1',
      'commonwatt enrol --key box.key --meter eastron-sdm230@192.168.1.20:502/1 --meter sunspec-103-203@192.168.1.21',
    ],
    async () => (await import('./enrol.js')).runEnrol,
  );
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function addBalances(program: Command, ask: Ask): void {
  const command = program
    .command('balances')
    .description("Every member's balance, now or as it was.")
    .addOption(dataOption(ask.config))
    .addOption(communityOption())
    .option('--as-of <instant>', "an interval's end, like 2024-05-31T12:00:00Z: later intervals do not count")
    .option(
      '--known-at <size>',
      'a size of the log: what came later does not count',
      value.wholeNumber('known-at', { min: 0, max: MAX_LOG_SIZE }),
    );
  finish(
    command,
    ask,
    ['commonwatt balances', 'commonwatt balances --as-of 2024-06-01T00:00:00Z --json'],
    async () => (await import('./balances.js')).runBalances,
  );
}

function addStatement(program: Command, ask: Ask): void {
  const command = program
    .command('statement')
    .description("A member's statement: generated, used at home, received, delivered, from and to the grid, credits.")
    .addOption(dataOption(ask.config))
    .addOption(communityOption())
    .requiredOption('--member <id>', 'whose', value.id('member'))
    .option('--from <day|instant>', 'first local day, or instant in UTC', value.bound)
    .option('--to <day|instant>', 'local day or instant that is no longer in it', value.bound)
    .option('--csv', 'a row for every interval');
  finish(
    command,
    ask,
    [
      'commonwatt statement --member green-door --from 2024-05-01 --to 2024-06-01',
      'commonwatt statement --member green-door --from 2024-05-01 --to 2024-05-02 --csv > may-first.csv',
    ],
    async () => (await import('./statement.js')).runStatement,
  );
}

function addReplay(program: Command, ask: Ask): void {
  const command = program
    .command('replay')
    .description(
      'Carry a recorded register file over Modbus, signed frames, MQTT, verification and settlement, step by step.',
    )
    .argument('<file>', 'CSV, plain or gzip: utc_timestamp,household,register,value,unit')
    .requiredOption('--interval <duration>', 'length of an interval: 5m, 15m, 30m or 60m', value.intervalS)
    .option('--netting <kind>', 'none, meter or member', value.netting, 'member')
    .option('--missing <policy>', 'what an outage means: leave-out', value.oneOf(['leave-out']), 'leave-out')
    .option(
      '--max-kw <n>',
      "leave out a home's interval whose import or export averages more than this",
      value.kilowattsAsW,
    )
    .option(
      '--price <micro>',
      'millionths of a credit per kWh received',
      value.wholeNumber('price', { min: 0, max: MAX_PRICE }),
      120_000,
    )
    .option(
      '--levy <bp>',
      'hundredths of a percent for the commons fund',
      value.wholeNumber('levy', { min: 0, max: 10_000 }),
      0,
    )
    .option('--intervals <out.csv>', 'write a row for every home in every interval')
    .option('--mqtt <url>', 'an external broker instead of the embedded one', value.mqttUrl)
    .option('--data <dir>', 'keep everything in this folder (default: a temporary one that is removed at the end)');
  command
    .option('--json', 'print one JSON object on standard output, everything else on standard error')
    .addHelpText(
      'after',
      `
Examples:
  $ commonwatt replay street.csv.gz --interval 15m
  $ commonwatt replay street.csv.gz --interval 60m --netting member --intervals out.csv --json
  $ commonwatt replay street.csv.gz --interval 15m --mqtt mqtt://127.0.0.1:1883

Exit status 0 only if every reading of the file was booked or is accounted for as left out.${EXIT_CODES}`,
    )
    .action((file: string, options: { json?: boolean }) => {
      ask.parsed({
        json: options.json === true,
        run: async (context) => (await import('./replay/replay.js')).runReplay({ ...options, file } as never, context),
      });
    });
}

function addRebuild(program: Command, ask: Ask): void {
  const command = program
    .command('rebuild')
    .description('Drop every projection, fold the log anew, and compare the hashes of what was and what is.')
    .addOption(dataOption(ask.config))
    .addOption(communityOption());
  finish(
    command,
    ask,
    ['commonwatt rebuild', 'commonwatt rebuild --data /var/lib/commonwatt --community sunny-street --json'],
    async () => (await import('./rebuild.js')).runRebuild,
  );
}
