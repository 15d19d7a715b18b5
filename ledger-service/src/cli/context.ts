import type { Config } from '../config.js';
import type { Output, OutStream } from './output.js';

/** What every command is handed: nothing else is read of the process. */
export interface CommandContext {
  readonly config: Config;
  readonly output: Output;
  readonly err: OutStream;
  /** Aborts at SIGINT, SIGTERM or SIGHUP; again and again is the same as once. */
  readonly stop: AbortSignal;
}

/** Exit statuses of every command. */
export const EXIT = {
  done: 0,
  /** It failed, or what was to be equal is not. */
  failed: 1,
  /** A wrong option, argument or environment; nothing was begun. */
  usage: 2,
} as const;
