import { runCli } from './cli.js';

/** The process: arguments in, exit status out; signals, also repeated ones, end it in order. */
export async function main(): Promise<void> {
  const stopWanted = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => resolve());
    }
  });
  const { stdin, stdout, stderr } = process;
  // A reader that went away is no reason to stop reading meters.
  stderr.on('error', () => {});
  const status = await runCli(process.argv.slice(2), { stdin, stdout, stderr, stopWanted });
  process.exitCode = status;
  stdin.destroy();
}
