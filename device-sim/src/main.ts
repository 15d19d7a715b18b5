import { parseCommandLine } from './cli.js';
import { SettableClock } from './clock.js';
import { messageOf, SimError } from './errors.js';
import { serveLines } from './lines/serve-lines.js';
import { Session } from './lines/session.js';
import { runReplay, runStreet, type Surroundings } from './standalone.js';

/** Runs the command line; resolves with the exit status. The only place that reads clocks and signals. */
export async function main(args: readonly string[]): Promise<number> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort());
  // A reader that has gone away ends a child; there is nobody left to tell.
  process.stdout.on('error', () => stopping.abort());
  process.stderr.on('error', () => {});
  try {
    await run(args, stopping.signal);
    return 0;
  } catch (error) {
    const code = error instanceof SimError ? `${error.code}: ` : '';
    process.stderr.write(`commonwatt-sim: ${code}${messageOf(error)}\n`);
    return 1;
  }
}

async function run(args: readonly string[], signal: AbortSignal): Promise<void> {
  const command = parseCommandLine(args);
  const monotonicNs = () => process.hrtime.bigint();
  const clock = new SettableClock(monotonicNs);
  const tell = (text: string) => void process.stderr.write(`${text}\n`);
  const print = (text: string) => void process.stdout.write(`${text}\n`);
  const around: Surroundings = { clock, monotonicNs, wallMs: Date.now(), print, tell, signal };
  switch (command.kind) {
    case 'lines':
      return runLines(new Session({ host: command.bind, clock, report: tell }), signal);
    case 'street':
      return runStreet(command, around);
    case 'replay':
      return runReplay(command, around);
  }
}

async function runLines(session: Session, signal: AbortSignal): Promise<void> {
  signal.addEventListener('abort', () => process.stdin.destroy());
  try {
    await serveLines(session, process.stdin, process.stdout);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await session.stop();
    process.stdin.destroy();
  }
}
