import { createServer, type Server, type Socket } from 'node:net';

/** A request as it came: transaction, unit, function, address and count. */
export interface ModbusRequest {
  readonly transaction: number;
  readonly unit: number;
  readonly function: number;
  readonly address: number;
  readonly count: number;
}

/** What a device does with a request; writes whatever it likes to the socket. */
export type Behaviour = (request: ModbusRequest, socket: Socket) => void;

/** A Modbus TCP device on a free port that behaves as the test wants. */
export class ModbusServer {
  behave: Behaviour = (request, socket) => socket.write(answer(request, registersFrom(request.address, request.count)));
  readonly requests: ModbusRequest[] = [];
  connections = 0;
  readonly #server: Server;
  readonly sockets = new Set<Socket>();

  constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
      let received = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        for (; received.length >= 12; received = received.subarray(12)) {
          const request = {
            transaction: received.readUInt16BE(0),
            unit: received.readUInt8(6),
            function: received.readUInt8(7),
            address: received.readUInt16BE(8),
            count: received.readUInt16BE(10),
          };
          this.requests.push(request);
          this.behave(request, socket);
        }
      });
    });
  }

  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return (this.#server.address() as { port: number }).port;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Registers that show their own address. */
export function registersFrom(address: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => (address + at) & 0xffff);
}

/** A right answer; a test bends it. */
export function answer(request: ModbusRequest, words: readonly number[]): Buffer {
  const bytes = Buffer.alloc(9 + 2 * words.length);
  bytes.writeUInt16BE(request.transaction, 0);
  bytes.writeUInt16BE(3 + 2 * words.length, 4);
  bytes.writeUInt8(request.unit, 6);
  bytes.writeUInt8(request.function, 7);
  bytes.writeUInt8(2 * words.length, 8);
  for (const [at, word] of words.entries()) bytes.writeUInt16BE(word, 9 + 2 * at);
  return bytes;
}

export function exception(request: ModbusRequest, code: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes.writeUInt16BE(request.transaction, 0);
  bytes.writeUInt16BE(3, 4);
  bytes.writeUInt8(request.unit, 6);
  bytes.writeUInt8(request.function | 0x80, 7);
  bytes.writeUInt8(code, 8);
  return bytes;
}
