import { keyId, toHex } from '@commonwatt/firmware-protocol';
import { nearestName } from '@commonwatt/firmware-protocol/registers';
import { Command, CommanderError } from 'commander';
import { openKey } from './adapters/system/key-file.js';
import { nodeHasher } from './adapters/system/node-crypto.js';
import { readStatusFile } from './adapters/system/status-file.js';
import { systemClock } from './adapters/system/system-clock.js';
import { readConfigFile } from './config.js';
import { REMEDIES, type StatusView, statusRecord } from './core/status.js';
import { GatewayError, reasonOf } from './errors.js';
import { SOFTWARE, startGateway } from './host.js';
import { LineHost } from './lines.js';

/** What a command needs of its process, handed in. */
export interface Terminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Resolves when the person, or the system, wants the process to end. */
  readonly stopWanted: Promise<void>;
}

const EXIT_OK = 0;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Runs the command line; resolves with the exit status. Never throws. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  const program = buildProgram(terminal);
  try {
    refuseUnknown(args, program);
    await program.parseAsync([...args], { from: 'user' });
    return EXIT_OK;
  } catch (error) {
    if (error instanceof CommanderError) return explainUsage(error, terminal);
    const code = error instanceof GatewayError ? `${error.code}: ` : '';
    terminal.stderr.write(`commonwatt-gateway: ${code}${reasonOf(error)}\n`);
    return error instanceof GatewayError && error.code === 'bad-option' ? EXIT_USAGE : EXIT_FAILED;
  }
}

function buildProgram(terminal: Terminal): Command {
  const program = new Command('commonwatt-gateway')
    .description(
      'The box in the home: reads meters over Modbus TCP, signs what it read, keeps it, and sends it over MQTT.',
    )
    .version(SOFTWARE)
    .option('--lines', 'speak the line protocol on standard input and output, for demo and replay')
    .action(async (options: { lines?: boolean }) => {
      if (options.lines === true) return serveLines(terminal);
      program.help();
    });
  program
    .command('key')
    .description("print the box's public key, for enrolment; makes the key at the first call")
    .requiredOption('--data <dir>', 'the data folder of this box')
    .option('--json', 'print one JSON object')
    .action((options: { data: string; json?: boolean }) => printKey(options, terminal));
  program
    .command('run')
    .description('read, sign and send, until it is stopped')
    .requiredOption('--config <file>', 'the configuration that the enrolment wrote')
    .requiredOption('--data <dir>', 'the data folder of this box')
    .option('--json', 'print each status as one JSON object a line')
    .action((options: RunOptions) => run(options, terminal));
  program
    .command('status')
    .description('print how the box with this data folder is')
    .requiredOption('--data <dir>', 'the data folder of this box')
    .option('--json', 'print one JSON object')
    .action((options: { data: string; json?: boolean }) => printStatus(options, terminal));
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .showSuggestionAfterError(false)
      .configureOutput({
        writeOut: (text) => terminal.stdout.write(text),
        writeErr: () => {},
      });
  }
  return program;
}

/** Before anything else, so that a slip of the pen is told as such and not as the missing of what was meant. */
function refuseUnknown(args: readonly string[], program: Command): void {
  const [first] = args;
  const names = program.commands.map((command) => command.name());
  if (first !== undefined && !first.startsWith('-') && ![...names, 'help'].includes(first)) {
    throw new GatewayError('bad-option', `there is no command ${first}: ${hint(first, names)}`);
  }
  const command = program.commands.find((other) => other.name() === first) ?? program;
  const options = [...command.options.flatMap(({ long, short }) => [long, short]), '--help', '-h'];
  for (const argument of args) {
    const name = argument.split('=', 1)[0]!;
    if (name === '--') return;
    if (!name.startsWith('-') || options.includes(name)) continue;
    const known = options.filter((option) => option?.startsWith('--')) as string[];
    throw new GatewayError('bad-option', `there is no option ${name}: ${hint(name, known)}`);
  }
}

function hint(wrong: string, names: readonly string[]): string {
  const nearest = nearestName(wrong, names);
  return nearest === undefined ? `expected ${names.join(', ')}` : `did you mean ${nearest}?`;
}

function explainUsage(error: CommanderError, { stderr }: Terminal): number {
  if (error.exitCode === 0 || error.code === 'commander.help') return EXIT_OK;
  stderr.write(
    `commonwatt-gateway: bad-option: ${error.message.replace(/^error: /, '')}; see commonwatt-gateway --help\n`,
  );
  return EXIT_USAGE;
}

async function serveLines({ stdin, stdout, stderr, stopWanted }: Terminal): Promise<void> {
  const host = new LineHost({ output: stdout, note: (text) => stderr.write(`${text}\n`) });
  void stopWanted.then(() => host.stop());
  await host.serve(stdin);
}

function printKey(options: { data: string; json?: boolean }, { stdout, stderr }: Terminal): void {
  const { signer, created } = openKey(options.data);
  const publicKey = toHex(signer.publicKey);
  if (created) stderr.write(`made a new device key in ${options.data}\n`);
  const kid = toHex(keyId(nodeHasher, signer.publicKey));
  stdout.write(options.json === true ? `${JSON.stringify({ public_key: publicKey, kid })}\n` : `${publicKey}\n`);
}

interface RunOptions {
  readonly config: string;
  readonly data: string;
  readonly json?: boolean;
}

async function run(options: RunOptions, { stdout, stderr, stopWanted }: Terminal): Promise<void> {
  const config = readConfigFile(options.config);
  const gateway = startGateway({
    config,
    data: options.data,
    clock: systemClock(config.clock),
    observer: {
      onNote: (text) => stderr.write(`${new Date().toISOString()} ${text}\n`),
      onStatus: (view) =>
        stdout.write(`${options.json === true ? JSON.stringify(statusRecord(view)) : statusLine(view)}\n`),
    },
  });
  await stopWanted;
  await gateway.stop();
}

/** How the box is, in one line. */
function statusLine({ status, condition, refused }: StatusView): string {
  const meters = status.meters.map(({ id, state }) => `${id} ${state}`).join(', ');
  const received = status.lastReceiptS === undefined ? 'none yet' : new Date(status.lastReceiptS * 1000).toISOString();
  const parts = [
    condition.name,
    `meters: ${meters}`,
    `next frame ${status.epoch}/${status.nextNumber}`,
    `waiting ${status.pending}`,
    `last receipt ${received}`,
  ];
  if (status.lostReadings > 0) parts.push(`lost readings ${status.lostReadings}`);
  if (refused > 0) parts.push(`refused ${refused}`);
  return `${new Date().toISOString()} ${parts.join('; ')}`;
}

function printStatus(options: { data: string; json?: boolean }, { stdout }: Terminal): void {
  const { record, ageMs } = readStatusFile(options.data);
  const ageS = Math.max(0, Math.round(ageMs / 1000));
  if (options.json === true) {
    stdout.write(`${JSON.stringify({ ...record, age_s: ageS })}\n`);
    return;
  }
  const condition = record.condition as { name: keyof typeof REMEDIES; reason: string };
  const rows: [string, unknown][] = [
    ['gateway', record.gateway],
    ['said', `${ageS} s ago${ageS > STALE_AFTER_S ? ' (is the gateway running?)' : ''}`],
    ['condition', condition.reason === '' ? condition.name : `${condition.name}: ${condition.reason}`],
    ['what helps', REMEDIES[condition.name] ?? ''],
    ['next frame', `${String(record.epoch)}/${String(record.next_number)}`],
    ['without receipt', record.pending],
    ['refused', record.refused],
    ['lost readings', record.lost_readings],
    ...(record.meters as { id: string; state: string; reason?: string }[]).map(
      ({ id, state, reason }): [string, unknown] => [
        `meter ${id}`,
        reason === undefined ? state : `${state}: ${reason}`,
      ],
    ),
  ];
  for (const [name, value] of rows) if (value !== '') stdout.write(`${name.padEnd(17)} ${String(value)}\n`);
}

/** A running gateway writes its status at least once a minute. */
const STALE_AFTER_S = 90;
