/** Everything that can go wrong in this package, on one screen. */
export type SimErrorCode =
  /** A line of the line protocol, or an option, is not what it must be. */
  | 'bad-request'
  /** A scenario, or a home in it, is off the schema. */
  | 'bad-scenario'
  /** A recorded register file cannot be read as one; the message names the line. */
  | 'bad-file'
  /** A state file is damaged, or is not of this version. */
  | 'bad-state'
  /** No home, or no device of a home, of that name or number. */
  | 'unknown-home'
  /** A request that needs a street or a loaded file came before it, or a second one came. */
  | 'wrong-order'
  /** A port or address cannot be listened on. */
  | 'cannot-listen'
  /** A file cannot be written. */
  | 'cannot-write';

/** The one error class of `@commonwatt/device-sim`: what, expected, got, and which device, home or line. */
export class SimError extends Error {
  readonly code: SimErrorCode;

  constructor(code: SimErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SimError';
    this.code = code;
  }
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
