import { encodeUint } from '@commonwatt/firmware-protocol/registers';
import { answer, ModbusServer } from './modbus-server.js';

const ABSENT = (1n << 64n) - 1n;

/** A reference meter over real Modbus TCP. */
export class ReferenceServer {
  readonly server = new ModbusServer();
  /** Import, export, generation, charge, discharge in mWh; undefined is "not available". */
  values: readonly (bigint | undefined)[] = [0n];
  port = 0;

  async listen(): Promise<this> {
    this.server.behave = (request, socket) => {
      const image = this.#image();
      socket.write(answer(request, image.slice(request.address, request.address + request.count)));
    };
    this.port = await this.server.listen();
    return this;
  }

  #image(): number[] {
    const counters = [0, 1, 2, 3, 4].flatMap((at) => encodeUint(this.values[at] ?? ABSENT, 4, 'high-first'));
    return [...counters, ...encodeUint(0x8000_0000n, 2, 'high-first'), ...encodeUint(4711n, 2, 'high-first')];
  }
}
