/**
 * Everything that can go wrong in this package, on one screen. The union is closed: a caller branches on the code, the
 * message says what was wrong, what was expected and what came.
 */
export type GatewayErrorCode =
  // configuration and command line
  | 'bad-config'
  | 'bad-option'
  | 'bad-line'
  | 'unknown-command'
  // key and data folder
  | 'bad-key-file'
  | 'outbox-in-use'
  | 'outbox-damaged'
  | 'outbox-foreign'
  | 'outbox-full'
  | 'no-status'
  // meters
  | 'meter-unreachable'
  | 'meter-timeout'
  | 'meter-exception'
  | 'meter-garbled'
  // the ledger's answers
  | 'bad-answer'
  // a caller that steps over what was decided
  | 'stopped';

/** The one error class of `@commonwatt/gateway`. */
export class GatewayError extends Error {
  readonly code: GatewayErrorCode;
  /** The exception code of a Modbus answer (`meter-exception` only). */
  readonly modbusCode?: number;

  constructor(code: GatewayErrorCode, message: string, options: { cause?: unknown; modbusCode?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GatewayError';
    this.code = code;
    if (options.modbusCode !== undefined) this.modbusCode = options.modbusCode;
  }
}

/** What to show of anything that was thrown: one line, bounded. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s+/g, ' ').slice(0, MAX_REASON_LENGTH);
}

/** Reasons stand in status messages and tables: longer ones say no more. */
const MAX_REASON_LENGTH = 300;
