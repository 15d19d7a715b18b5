/** What a device shows: its registers, and which of the two read functions it knows. */
export interface RegisterSource {
  readonly functions: readonly (3 | 4)[];
  /** The words of that range, or undefined if any register of it does not exist. 1 <= count <= 125. */
  read(functionCode: 3 | 4, address: number, count: number): readonly number[] | undefined;
}

/** Modbus Application Protocol V1.1b3, section 7. */
export const ModbusException = {
  illegalFunction: 1,
  illegalAddress: 2,
  illegalValue: 3,
  deviceFailure: 4,
  acknowledge: 5,
  busy: 6,
  gatewayTargetFailed: 11,
} as const;

const READ_REQUEST_BYTES = 5;
const MAX_READ = 125;
const REGISTER_SPACE = 65_536;

/**
 * The PDU that answers a request's PDU, checked in the order of the specification (V1.1b3, 6.3 and 6.4, figures 13
 * and 14): function known (else 1), quantity 1..125 (else 3), the whole range exists (else 2), then it is read (else 4).
 */
export function answerPdu(pdu: Buffer, source: RegisterSource): Buffer {
  const code = pdu[0]!;
  const functionCode = source.functions.find((known) => known === code);
  if (functionCode === undefined) return exceptionPdu(code, ModbusException.illegalFunction);
  if (pdu.length !== READ_REQUEST_BYTES) return exceptionPdu(code, ModbusException.illegalValue);
  const address = pdu.readUInt16BE(1);
  const count = pdu.readUInt16BE(3);
  if (count < 1 || count > MAX_READ) return exceptionPdu(code, ModbusException.illegalValue);
  if (address + count > REGISTER_SPACE) return exceptionPdu(code, ModbusException.illegalAddress);
  try {
    const words = source.read(functionCode, address, count);
    return words === undefined ? exceptionPdu(code, ModbusException.illegalAddress) : wordsPdu(code, words);
  } catch {
    // A register image that does not fit its registers is the device's failure, never the end of the process.
    return exceptionPdu(code, ModbusException.deviceFailure);
  }
}

/** An exception never carries data. */
export function exceptionPdu(functionCode: number, exception: number): Buffer {
  return Buffer.from([functionCode | 0x80, exception]);
}

function wordsPdu(functionCode: number, words: readonly number[]): Buffer {
  const pdu = Buffer.alloc(2 + 2 * words.length);
  pdu[0] = functionCode;
  pdu[1] = 2 * words.length;
  words.forEach((word, index) => {
    pdu.writeUInt16BE(word, 2 + 2 * index);
  });
  return pdu;
}
