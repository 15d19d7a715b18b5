/** Options of the commands that make a community and keep it running. */
import { type Command, Option } from 'commander';
import { type Ask, finish, fromEnvironment } from './command.js';
import {
  bindOption,
  communityOption,
  dataOption,
  intervalOption,
  levyOption,
  logLevelOption,
  missingOption,
  mqttPortOption,
  nettingOption,
  operatorKeyOption,
  portOption,
  priceOption,
} from './common-options.js';
import { DEFAULT_LIMITS_W, MEMBER_CLASS_NAMES } from './member-classes.js';
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
    .addOption(portOption(config))
    .addOption(bindOption(config))
    .addOption(mqttPortOption(config, 0))
    .addOption(dataOption(config, '.commonwatt/demo'))
    .addOption(logLevelOption(config, 'warn', 'how much goes into service.log of the data folder'))
    .addOption(missingOption(' (default: as before, at first estimate)'))
    .option('--fresh', 'forget the street that is in the data folder and begin a new one');
  finish(
    command,
    ask,
    {
      examples: [
        'commonwatt demo',
        'commonwatt demo --homes 12 --speed 60',
        'commonwatt demo --fresh --port 9090',
        'npm start -- --speed 1',
      ],
    },
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
    .addOption(intervalOption().default(900, '15m'))
    .option('--time-zone <name>', 'for the days of statements', 'UTC')
    .addOption(nettingOption().default('member'))
    .addOption(missingOption().default('leave-out'))
    .addOption(priceOption().default(120_000))
    .addOption(levyOption().default(0))
    .addOption(
      new Option('--settle-after <duration>', "after an interval's end, book with what is there")
        .argParser(value.durationS)
        .default(900, '15m'),
    )
    .addOption(
      new Option('--grace <duration>', "after an interval's end, make it final")
        .argParser(value.durationS)
        .default(172_800, '48h'),
    )
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
    {
      examples: [
        'commonwatt init --data /var/lib/commonwatt --community sunny-street --host ledger.example',
        'commonwatt init --community sunny-street --host ledger.example --interval 15m --price 120000 --levy 200 --time-zone Europe/Brussels',
      ],
    },
    async () => (await import('./init.js')).runInit,
  );
}

export function addServe(program: Command, ask: Ask): void {
  const { config } = ask;
  const command = program
    .command('serve')
    .description('Run broker, ledger and REST until SIGINT or SIGTERM.')
    .addOption(dataOption(config))
    .addOption(portOption(config))
    .addOption(bindOption(config))
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
    .addOption(mqttPortOption(config, 1883))
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
    {
      examples: [
        'commonwatt serve --data /var/lib/commonwatt',
        'commonwatt serve --mqtt mqtt://broker.example:1883 --port 8080',
        'commonwatt serve --bind 0.0.0.0 --mqtt-bind 0.0.0.0',
      ],
    },
    async () => (await import('./serve.js')).runServe,
  );
}

export function addEnrol(program: Command, ask: Ask): void {
  const command = program
    .command('enrol')
    .description("Enrol a home: sign its member and its gateway into the log and write the gateway's configuration.")
    .addOption(dataOption(ask.config))
    .addOption(communityOption())
    .addOption(operatorKeyOption())
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
        .argParser(value.oneOf(MEMBER_CLASS_NAMES))
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
      new Option(
        '--limit <kW>',
        `largest power of a meter that is believed; 0: any (default: ${limitsInWords()})`,
      ).argParser(value.limitAsW),
    )
    .addOption(
      new Option('--poll <duration>', 'how often it is read inside an interval; 0: at the edges only')
        .argParser(value.durationS)
        .default(60, '60s'),
    )
    .option('--mqtt <url>', 'the broker as the box reaches it (default: that of `serve`)', value.mqttUrl);
  finish(
    command,
    ask,
    {
      examples: [
        'commonwatt-gateway key --data /var/lib/commonwatt-gateway > box.key',
        'commonwatt enrol --home green-door --key box.key --meter eastron-sdm630 --host 192.168.1.20 --unit 1',
        'commonwatt enrol --key box.key --meter eastron-sdm230@192.168.1.20:502/1 --meter sunspec-103-203@192.168.1.21',
      ],
    },
    async () => (await import('./enrol.js')).runEnrol,
  );
}

export function addRules(program: Command, ask: Ask): void {
  const command = program
    .command('rules')
    .description('The sharing rules so far; with an option that changes them, sign new ones into the log.')
    .addOption(dataOption(ask.config))
    .addOption(communityOption())
    .addOption(nettingOption())
    .addOption(priceOption())
    .addOption(levyOption())
    .option(
      '--from <instant>',
      'start of the first interval that they hold for, not in the past (default: the next one)',
      value.instantS,
    )
    .addOption(operatorKeyOption());
  finish(
    command,
    ask,
    { examples: ['commonwatt rules', 'commonwatt rules --price 140000 --from 2027-01-01T00:00:00Z'] },
    async () => (await import('./rules.js')).runRules,
  );
}

export function addApprove(program: Command, ask: Ask): void {
  const command = program
    .command('approve')
    .description(
      'After a fork: show which gateways ask for a new epoch, or sign the one of a gateway whose second box is stopped.',
    )
    .argument(
      '[gateway]',
      "id of the home or of the gateway's key (default: list what waits, sign nothing)",
      value.id('gateway'),
    )
    .addOption(dataOption(ask.config))
    .addOption(communityOption())
    .addOption(operatorKeyOption());
  finish(
    command,
    ask,
    { examples: ['commonwatt approve', 'commonwatt approve green-door --data /var/lib/commonwatt'] },
    async () => (await import('./approve.js')).runApprove,
  );
}

export function addRevoke(program: Command, ask: Ask): void {
  const command = program
    .command('revoke')
    .description("End a gateway's key for good: no frame of it counts any more. What was booked stays.")
    .argument('<gateway>', "id of the home or of the gateway's key", value.id('gateway'))
    .addOption(dataOption(ask.config))
    .addOption(communityOption())
    .addOption(operatorKeyOption());
  finish(
    command,
    ask,
    { examples: ['commonwatt revoke green-door', 'commonwatt revoke 0123456789abcdef --data /var/lib/commonwatt'] },
    async () => (await import('./revoke.js')).runRevoke,
  );
}

function limitsInWords(): string {
  return Object.entries(DEFAULT_LIMITS_W)
    .map(([kind, limitW]) => `${kind} ${limitW / 1_000}`)
    .join(', ');
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
