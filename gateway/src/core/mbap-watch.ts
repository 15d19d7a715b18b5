/** Modbus TCP 3.1.3: transaction (2 bytes), protocol (2), length of what follows (2). */
const HEADER_BYTES = 6;
/** Of every answer: unit, function, and a count of bytes or the code of an exception. */
const MIN_LENGTH = 3;
/** Unit, and the largest PDU. */
const MAX_LENGTH = 254;
const IS_EXCEPTION = 0x80;

/**
 * Untrusted: follows the heads of the answers in what a device sends, without keeping any of it. The library looks neither at
 * the protocol nor at the limits of the length, and takes an odd count of bytes: it would hear answers from whatever sits at
 * the address, and buffer 64 KiB for one.
 */
export class MbapWatch {
  /** Bytes of the current answer that have been seen. */
  #at = 0;
  #length = 0;
  #function = 0;

  /** The next bytes of the stream. False: this is no answer to a read, of Modbus TCP. */
  accept(bytes: Uint8Array): boolean {
    for (let from = 0; from < bytes.length; ) {
      if (this.#at < HEADER_BYTES + MIN_LENGTH) {
        if (!this.#acceptHead(bytes[from] as number)) return false;
        this.#at += 1;
        from += 1;
      } else {
        const skipped = Math.min(HEADER_BYTES + this.#length - this.#at, bytes.length - from);
        this.#at += skipped;
        from += skipped;
      }
      if (this.#at >= HEADER_BYTES + MIN_LENGTH && this.#at === HEADER_BYTES + this.#length) this.#at = 0;
    }
    return true;
  }

  #acceptHead(byte: number): boolean {
    switch (this.#at) {
      case 2:
      case 3:
      case 4:
        // Protocol 0; and no length needs its first byte.
        return byte === 0;
      case 5:
        this.#length = byte;
        return byte >= MIN_LENGTH && byte <= MAX_LENGTH;
      case 7:
        this.#function = byte;
        return (byte & IS_EXCEPTION) === 0 || this.#length === MIN_LENGTH;
      case 8:
        return (this.#function & IS_EXCEPTION) !== 0 || byte === this.#length - MIN_LENGTH;
      default:
        return true;
    }
  }
}
