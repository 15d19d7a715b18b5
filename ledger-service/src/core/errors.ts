/** Everything that can go wrong in the ledger, on one screen. docs/ERRORS.md has a paragraph for each code. */
export const LEDGER_ERROR_CODES = [
  'bad-entry', // a log entry's bytes are not what LOG says
  'bad-number', // a signed entry repeats or skips the signer's number
  'bad-signer', // a signed entry is not signed by who may
  'conflict', // two writers met, or an id is taken by something else
  'invariant', // our own arithmetic broke; nothing was written
  'money-range', // an amount does not fit 63 bits
  'not-found', // no such community, member, meter, interval, entry
  'bad-request', // an argument is out of its range
  'unauthorised', // no token, or not the right one
  'store', // the database is missing, locked, full or damaged
  'config', // a config key or option is not known or not valid
  'broker', // the MQTT broker cannot be reached or refused us
  'child', // a child process did not answer or ended by itself
  'bad-file', // an input file cannot be read as what it should be
] as const;

export type LedgerErrorCode = (typeof LEDGER_ERROR_CODES)[number];

export class LedgerError extends Error {
  readonly code: LedgerErrorCode;

  constructor(code: LedgerErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'LedgerError';
    this.code = code;
  }
}
