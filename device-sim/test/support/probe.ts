import { connect, type Socket } from 'node:net';

/** A TCP client that sends bytes and waits for bytes: for what no proper Modbus client would do. */
export class Probe {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #isClosed = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  static async open(port: number): Promise<Probe> {
    const socket = connect({ host: '127.0.0.1', port });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new Probe(socket);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(bytes: Uint8Array | string): void {
    this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes.replaceAll(' ', ''), 'hex') : bytes);
  }

  /** The next `count` bytes, as hexadecimal text. Rejects if they do not come within two seconds. */
  async take(count: number): Promise<string> {
    await this.#until(() => this.#received.length >= count, `${count} bytes`);
    const taken = this.#received.subarray(0, count).toString('hex');
    this.#received = this.#received.subarray(count);
    return taken;
  }

  async closed(): Promise<void> {
    await this.#until(() => this.#isClosed, 'the end');
  }

  /** What has come and was not taken. */
  get rest(): string {
    return this.#received.toString('hex');
  }

  close(): void {
    this.#socket.destroy();
  }

  async #until(holds: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + 2000;
    while (!holds()) {
      const leftMs = deadline - Date.now();
      if (leftMs <= 0 || (this.#isClosed && what !== 'the end')) {
        throw new Error(`waited for ${what}, got ${this.rest || 'nothing'}${this.#isClosed ? ', then the end' : ''}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

/** A read request: transaction, unit, function, address, count. */
export function readRequest(
  transaction: number,
  functionCode: number,
  address: number,
  count: number,
  unit = 1,
): Buffer {
  const frame = Buffer.alloc(12);
  frame.writeUInt16BE(transaction, 0);
  frame.writeUInt16BE(6, 4);
  frame[6] = unit;
  frame[7] = functionCode;
  frame.writeUInt16BE(address, 8);
  frame.writeUInt16BE(count, 10);
  return frame;
}
