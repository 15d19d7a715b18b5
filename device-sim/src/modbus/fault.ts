/** How a device's line misbehaves. What its registers say is untouched; see `devices/shown-state.ts` for lies. */
export type LineFault =
  | { readonly kind: 'silence' }
  | { readonly kind: 'late'; readonly delayMs: number }
  | { readonly kind: 'exception'; readonly code: number }
  | { readonly kind: 'truncated' }
  | { readonly kind: 'wrong-transaction' }
  | { readonly kind: 'garbage' }
  | { readonly kind: 'disconnect' };

/** What to do instead of answering: bytes after a delay, then perhaps hang up. */
export interface FaultyAnswer {
  readonly bytes: Buffer;
  readonly delayMs: number;
  readonly hangUp: boolean;
}

/** Longest delay of a late answer. */
export const MAX_DELAY_MS = 600_000;

/** Bends a good answer frame. Pure: the garbage is a function of the frame. */
export function bendAnswer(frame: Buffer, fault: LineFault | undefined): FaultyAnswer {
  const plain = { bytes: frame, delayMs: 0, hangUp: false };
  switch (fault?.kind) {
    case undefined:
      return plain;
    case 'silence':
      return { ...plain, bytes: Buffer.alloc(0) };
    case 'late':
      return { ...plain, delayMs: fault.delayMs };
    case 'exception':
      return { ...plain, bytes: exceptionFrame(frame, fault.code) };
    case 'truncated':
      return { ...plain, bytes: Buffer.from(frame.subarray(0, Math.ceil(frame.length / 2))) };
    case 'wrong-transaction':
      return { ...plain, bytes: withTransaction(frame, (frame.readUInt16BE(0) + 1) & 0xffff) };
    case 'garbage':
      return { ...plain, bytes: scramble(frame) };
    case 'disconnect':
      return { ...plain, bytes: Buffer.from(frame.subarray(0, Math.ceil(frame.length / 2))), hangUp: true };
  }
}

function exceptionFrame(frame: Buffer, code: number): Buffer {
  const bent = Buffer.from(frame.subarray(0, 9));
  bent.writeUInt16BE(3, 4);
  bent[7] = frame[7]! | 0x80;
  bent[8] = code;
  return bent;
}

function withTransaction(frame: Buffer, transaction: number): Buffer {
  const bent = Buffer.from(frame);
  bent.writeUInt16BE(transaction, 0);
  return bent;
}

/** A linear congruential stream over every byte, header too: the same answer is always the same garbage. */
function scramble(frame: Buffer): Buffer {
  let state = frame.length + frame.readUInt16BE(0);
  return Buffer.from(
    frame.map((byte) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return byte ^ (state >>> 24);
    }),
  );
}
