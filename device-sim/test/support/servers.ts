import { afterEach } from 'vitest';
import type { RegisterSource } from '../../src/modbus/answer.js';
import { PortKeeper } from '../../src/modbus/port-keeper.js';
import { ModbusServer } from '../../src/modbus/server.js';
import { Probe } from './probe.js';

/** Servers and probes that end with their test. */
export class Bench {
  readonly #ends: (() => void)[] = [];

  constructor() {
    afterEach(() => {
      for (const end of this.#ends.splice(0).reverse()) end();
    });
  }

  later(end: () => void): void {
    this.#ends.push(end);
  }

  async server(source: RegisterSource): Promise<ModbusServer> {
    const keeper = new PortKeeper();
    const server = new ModbusServer({ host: '127.0.0.1', port: 0, unit: 1, source, keeper });
    this.later(() => {
      server.stop();
      keeper.stop();
    });
    await server.accept();
    return server;
  }

  async probe(port: number): Promise<Probe> {
    const probe = await Probe.open(port);
    this.later(() => probe.close());
    return probe;
  }
}

/** Input registers 0..199 that hold their own address, holding registers 40000..40009 that hold 1..10. */
export const PLAIN: RegisterSource = {
  functions: [3, 4],
  read(functionCode, address, count) {
    const [from, words] = functionCode === 4 ? [0, 200] : [40_000, 10];
    if (address < from || address + count > from + words) return undefined;
    return Array.from({ length: count }, (_, index) =>
      functionCode === 4 ? address + index : address + index - 39_999,
    );
  },
};
