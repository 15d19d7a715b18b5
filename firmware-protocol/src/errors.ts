/**
 * Everything that can go wrong in this package, on one screen. The union is closed: a caller branches on the code, the
 * message says what was wrong, what was expected and what came.
 */
export type ProtocolErrorCode =
  // values and texts
  | 'out-of-range'
  | 'bad-number'
  | 'bad-text'
  | 'bad-hex'
  | 'bad-base64'
  | 'bad-id'
  // bytes on the wire
  | 'bad-cbor'
  | 'malformed'
  | 'bad-payload'
  | 'bad-answer'
  | 'bad-receipt'
  | 'bad-status'
  // signatures
  | 'bad-public-key'
  | 'cose-tag'
  | 'cose-structure'
  | 'cose-algorithm'
  | 'cose-key'
  | 'cose-signature'
  // sequence: a caller that steps over what was decided
  | 'bad-sequence'
  // log
  | 'bad-proof'
  | 'bad-note'
  | 'bad-checkpoint'
  | 'bad-entry'
  // registers
  | 'unknown-profile'
  | 'bad-register'
  | 'bad-sunspec';

/** The one error class of `@commonwatt/firmware-protocol`. */
export class ProtocolError extends Error {
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ProtocolError';
    this.code = code;
  }
}

/** The word for each answer code (PROTOCOL 5.1). */
export type Verdict =
  | 'accepted'
  | 'malformed'
  | 'unknown-key'
  | 'inactive-key'
  | 'bad-signature'
  | 'bad-payload'
  | 'wrong-epoch'
  | 'fork'
  | 'replay'
  | 'gap';

/** Answer codes, in the order in which a ledger checks (PROTOCOL 5.1). */
export const VERDICT = {
  accepted: 0,
  malformed: 1,
  'unknown-key': 2,
  'inactive-key': 3,
  'bad-signature': 4,
  'bad-payload': 5,
  'wrong-epoch': 6,
  fork: 7,
  replay: 8,
  gap: 9,
} as const satisfies Record<Verdict, number>;

const VERDICT_NAMES = Object.keys(VERDICT) as Verdict[];

/** The word of an answer code, or undefined for a number that is none. */
export function verdictName(code: number): Verdict | undefined {
  return VERDICT_NAMES[code];
}
