/** Modbus Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3: transaction, protocol, length, then unit and PDU. */
export interface ModbusRequest {
  readonly transaction: number;
  readonly unit: number;
  readonly pdu: Buffer;
}

/** What came out of a stretch of bytes: whole requests, the bytes of one that is not complete, or a broken stream. */
export interface MbapSplit {
  readonly requests: readonly ModbusRequest[];
  readonly rest: Buffer;
  /** The stream cannot be brought back into step: there is nothing to resynchronise on. */
  readonly broken: boolean;
}

const HEADER_BYTES = 6;
/** Unit id and at least a function code. */
const MIN_LENGTH = 2;
/** Unit id and a PDU of at most 253 bytes (Modbus Application Protocol V1.1b3, 4.1). */
const MAX_LENGTH = 254;

/**
 * Untrusted: bytes from whoever connected. A frame may come in any number of segments and several in one. What is left
 * over is shorter than one frame, 260 bytes, so a connection holds no more than that.
 */
export function splitMbap(bytes: Buffer): MbapSplit {
  const requests: ModbusRequest[] = [];
  let offset = 0;
  while (bytes.length - offset >= HEADER_BYTES) {
    const protocol = bytes.readUInt16BE(offset + 2);
    const length = bytes.readUInt16BE(offset + 4);
    if (protocol !== 0 || length < MIN_LENGTH || length > MAX_LENGTH) {
      return { requests, rest: Buffer.alloc(0), broken: true };
    }
    const end = offset + HEADER_BYTES + length;
    if (bytes.length < end) break;
    requests.push({
      transaction: bytes.readUInt16BE(offset),
      unit: bytes[offset + HEADER_BYTES]!,
      pdu: bytes.subarray(offset + HEADER_BYTES + 1, end),
    });
    offset = end;
  }
  return { requests, rest: Buffer.from(bytes.subarray(offset)), broken: false };
}

/** The frame that answers a request. */
export function joinMbap({ transaction, unit, pdu }: ModbusRequest): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES + 1 + pdu.length);
  frame.writeUInt16BE(transaction, 0);
  frame.writeUInt16BE(pdu.length + 1, 4);
  frame[HEADER_BYTES] = unit;
  pdu.copy(frame, HEADER_BYTES + 1);
  return frame;
}
