/** Where the process begins: reads the environment once, parses, runs, and turns what happens into an exit status. */
import { CommanderError, InvalidArgumentError } from 'commander';
import { type Config, readConfig } from '../config.js';
import { LedgerError } from '../core/errors.js';
import type { Parsed } from './command.js';
import { EXIT } from './context.js';
import { Output } from './output.js';
import { buildProgram } from './program.js';

/** Runs one command. Resolves with the exit status; never rejects. */
export async function main(args: readonly string[]): Promise<number> {
  const streams = { out: process.stdout, err: process.stderr };
  // A reader that left (`| head`) is no failure of ours.
  process.stdout.on('error', () => undefined);
  const early = new Output(streams, args.includes('--json'));
  const command = await parseArguments(args, early);
  if (typeof command === 'number') return command;
  const output = new Output(streams, command.parsed.json);
  const { stop, release } = stopSignal();
  try {
    return await command.parsed.run({ config: command.config, output, err: streams.err, stop });
  } catch (error) {
    output.failure(error);
    return error instanceof LedgerError && error.code === 'config' ? EXIT.usage : EXIT.failed;
  } finally {
    release();
  }
}

async function parseArguments(
  args: readonly string[],
  output: Output,
): Promise<{ parsed: Parsed; config: Config } | number> {
  let parsed: Parsed | undefined;
  try {
    const config = readConfig();
    const program = buildProgram(config, (command) => {
      parsed = command;
    });
    for (const command of [program, ...program.commands]) {
      command.exitOverride();
      command.configureOutput({
        outputError: (text, write) => write(text.replace(/^error: /, 'commonwatt: config: ')),
      });
    }
    await program.parseAsync([...args], { from: 'user' });
    return parsed === undefined ? EXIT.usage : { parsed, config };
  } catch (error) {
    if (error instanceof InvalidArgumentError) return refuse(output, new LedgerError('config', error.message));
    if (!(error instanceof CommanderError)) return refuse(output, error);
    if (error.exitCode === 0) return EXIT.done;
    // The sentence has been written to standard error already.
    if (output.json) output.result({ error: { code: 'config', message: error.message.replace(/^error: /, '') } }, '');
    return EXIT.usage;
  }
}

function refuse(output: Output, error: unknown): number {
  output.failure(error);
  return EXIT.usage;
}

/** One stop, however often and by whichever signal it is asked for: what is stopping goes on stopping. */
function stopSignal(): { stop: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, abort);
  return {
    stop: controller.signal,
    release: () => {
      for (const signal of signals) process.removeListener(signal, abort);
    },
  };
}
