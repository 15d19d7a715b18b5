/** Options of the commands that make a community and keep it running. */
import { type Command, Option } from 'commander';
import { LOG_LEVELS, type LogLevel } from '../adapters/log/levels.js';
import type { Config } from '../config.js';
import { MAX_PRICE_MICRO_PER_KWH } from '../core/records/rules.js';
import { type Ask, communityOption, dataOption, finish, fromEnvironment } from './command.js';
import * as value from './option-values.js';

const MAX_HOMES = 100;

export function addDemo(program: Command, ask: Ask): void {
  const { config } = ask;
  const command = program
    .command('demo')
    .description('Run a whole street: simulated meters, a gateway process per home, broker, ledger and REST.')
    .addOption(
      new Option(
        '--homes <n>',
        'how many homes, at least 8 (default: as before, at first 10); beyond the built-in ones neighbours like them',
      ).argParser(value.wholeNumber('homes', { min: 8, max: MAX_HOMES })),
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
    .addOption(logLevelOption(config, 'warn', 'how much goes into service.log of the data folder'))
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

export function addInit(program: Command, ask: Ask): void {
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
      value.wholeNumber('price', { min: 0, max: MAX_PRICE_MICRO_PER_KWH }),
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
    .option(
      '--first-interval <instant>',
      'start of the first interval that is settled, like 2024-05-31T00:00:00Z (default: the one that runs)',
      value.instantS,
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

export function addServe(program: Command, ask: Ask): void {
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
    )
    .addOption(logLevelOption(config, 'info', 'how much is written down on standard error'));
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

export function addEnrol(program: Command, ask: Ask): void {
  const command = program
    .command('enrol')
    .description("Enrol a home: sign its member and its gateway into the log and write the gateway's configuration.")
    .addOption(dataOption(ask.config))
    .addOption(communityOption())
    .option('--home <id>', 'id of the home (default: a pseudonym is drawn)', value.id('home'))
    .requiredOption('--key <file>', 'what `commonwatt-gateway key` printed on the box')
    .requiredOption(
      '--meter <profile>',
      'profile of a meter, or PROFILE:COUNTER,...@HOST:PORT/UNIT; again for each further one, which brings the counters that those before it lack',
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
    .addOption(
      new Option('--limit <kW>', 'largest power that is believed').argParser(value.kilowattsAsW).default(0, 'no limit'),
    )
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

function logLevelOption(config: Config, otherwise: LogLevel, what: string): Option {
  const option = new Option('--log-level <level>', `${what}: ${LOG_LEVELS.join(', ')} (COMMONWATT_LOG_LEVEL)`);
  return fromEnvironment(option, config.logLevel, otherwise, value.logLevel);
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
