/** 10,000 answers of meters gone mad, and of whatever else may sit at their address: the box reads what the meter says, or nothing. */
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { encodeUint, findProfile } from '@commonwatt/firmware-protocol/registers';
import { expect, it } from 'vitest';
import { ModbusLink } from '../src/adapters/modbus-link.js';
import { systemTimers } from '../src/adapters/system/system-clock.js';
import { MeterPoller } from '../src/core/poll.js';
import { EDGE_MS, meterConfig } from './support/box.js';
import { ManualClock } from './support/fakes.js';
import { answer, exception, type ModbusRequest, ModbusServer } from './support/modbus-server.js';

const HOSTILE_ANSWERS = 10_000;
const METERS = 40;
/** The first of them load code and fill buffers that stay. */
const WARM_UP = 2_000;
const READ_TIMEOUT_MS = 40;
/** Far below what a leak of a buffer, a timer or a socket an answer would come to. */
const MAX_GROWTH_BYTES = 3 * 1024 * 1024;
/** What a lie shows in every counter. */
const LIE = 666_666_666n;

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const collect = (() => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

type Random = () => number;
type Hostile = (asked: ModbusRequest, socket: Socket, random: Random) => void;

/** mulberry32 */
function seeded(from: number): Random {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function noise(length: number, random: Random): Buffer {
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}

function image(counterMwh: bigint): number[] {
  const counters = Array.from({ length: 5 }, () => encodeUint(counterMwh, 4, 'high-first')).flat();
  return [...counters, ...encodeUint(0x8000_0000n, 2, 'high-first'), ...encodeUint(4711n, 2, 'high-first')];
}

/** A whole answer to this request that tells the lie, but is not quite one. */
function bentLie(asked: ModbusRequest, random: Random): Buffer {
  const bytes = answer(asked, image(LIE).slice(asked.address, asked.address + asked.count));
  const bends: readonly ((lie: Buffer) => Buffer)[] = [
    (lie) => withByte(lie, 0, lie[0]! ^ (1 + Math.floor(random() * 255))),
    (lie) => withByte(lie, 1, lie[1]! ^ (1 + Math.floor(random() * 255))),
    (lie) => withByte(lie, 2 + Math.floor(random() * 2), 1 + Math.floor(random() * 255)),
    (lie) => withByte(lie, 5, lie[5]! ^ (1 + Math.floor(random() * 255))),
    (lie) => withByte(lie, 6, lie[6]! ^ (1 + Math.floor(random() * 255))),
    (lie) => withByte(lie, 7, lie[7]! ^ (1 + Math.floor(random() * 255))),
    (lie) => withByte(lie, 8, lie[8]! ^ (1 + Math.floor(random() * 255))),
    (lie) => lie.subarray(0, 1 + Math.floor(random() * (lie.length - 1))),
    (lie) => lie.subarray(1 + Math.floor(random() * 8)),
  ];
  return bends[Math.floor(random() * bends.length)]!(bytes);
}

function withByte(bytes: Buffer, at: number, value: number): Buffer {
  bytes[at] = value & 0xff;
  return bytes;
}

/** Answers to a request of before, in the name of one that was never made, for a block of another size. */
const STRAY: readonly ((asked: ModbusRequest) => ModbusRequest)[] = [
  (asked) => ({ ...asked, transaction: (asked.transaction + 0xffff) & 0xffff }),
  (asked) => ({ ...asked, transaction: (asked.transaction + 1) & 0xffff }),
  (asked) => ({ ...asked, unit: (asked.unit + 1) & 0xff }),
  (asked) => ({ ...asked, count: asked.count - 1 }),
  (asked) => ({ ...asked, count: asked.count + 1 }),
];

const HOSTILE: readonly Hostile[] = [
  (_, socket, random) => socket.end(noise(Math.floor(random() * 300), random)),
  (_, socket, random) => socket.write(noise(1 + Math.floor(random() * 300), random)),
  (asked, socket, random) => socket.end(Buffer.concat([answer(asked, []).subarray(0, 4), noise(60, random)])),
  (asked, socket, random) => socket.end(bentLie(asked, random)),
  (asked, socket, random) => socket.write(bentLie(asked, random)),
  (asked, socket, random) => {
    const stray = STRAY[Math.floor(random() * STRAY.length)]!(asked);
    socket.end(answer(stray, [...image(LIE), 0].slice(0, stray.count)));
  },
  (asked, socket, random) => socket.write(exception(asked, Math.floor(random() * 256))),
  (_, socket) => socket.resetAndDestroy(),
  (asked, socket, random) => socket.end(Buffer.concat([exception(asked, 6), noise(70_000, random)])),
];

/** One meter at an address of its own; every second answer or so is hostile, in runs. */
class MadMeter {
  readonly server = new ModbusServer();
  counterMwh = 1_000_000n;
  hostileAnswers = 0;
  readings = 0;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
    this.server.behave = (asked, socket) => {
      this.server.requests.length = 0;
      if (random() < 0.2) {
        socket.write(answer(asked, image(this.counterMwh).slice(asked.address, asked.address + asked.count)));
        return;
      }
      this.hostileAnswers += 1;
      HOSTILE[Math.floor(random() * HOSTILE.length)]!(asked, socket, random);
    };
  }

  /** Polls until so many hostile answers were given. Throws for a reading that the meter did not show. */
  async endure(poller: MeterPoller, hostileAnswers: number): Promise<void> {
    while (this.hostileAnswers < hostileAnswers) {
      this.counterMwh += BigInt(1 + Math.floor(this.#random() * 1_000));
      const outcome = await poller.poll({ isEdge: true });
      if (outcome.kind !== 'reading') continue;
      this.readings += 1;
      for (const { counters } of outcome.readings) {
        expect(counters.map(({ value }) => value)).toEqual([this.counterMwh, this.counterMwh, this.counterMwh]);
      }
    }
  }
}

async function heapBytes(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    collect();
    // Sockets that are closing let go of their buffers in a turn of their own.
    await pause(20);
  }
  return process.memoryUsage().heapUsed;
}

it(`${HOSTILE_ANSWERS} hostile answers bring no reading that the meter did not show, and leave nothing behind (seed ${seed})`, async () => {
  const street = await Promise.all(
    Array.from({ length: METERS }, async (_, at) => {
      const meter = new MadMeter(seeded(seed + at));
      const port = await meter.server.listen();
      const timing = { minGapMs: 0, connectTimeoutMs: 2_000, readTimeoutMs: READ_TIMEOUT_MS };
      const link = new ModbusLink({ host: '127.0.0.1', port, timers: systemTimers, ...timing });
      const config = meterConfig(0, { profile: findProfile('reference') });
      const clock = new ManualClock(EDGE_MS);
      const poller = new MeterPoller({ meter: config, link, clock, timers: systemTimers });
      return { meter, link, poller };
    }),
  );
  const endure = (answers: number) =>
    Promise.all(street.map(({ meter, poller }) => meter.endure(poller, answers / METERS)));
  await endure(WARM_UP);
  const before = await heapBytes();
  await endure(WARM_UP + HOSTILE_ANSWERS);
  expect((await heapBytes()) - before).toBeLessThan(MAX_GROWTH_BYTES);
  for (const { meter, link, poller } of street) {
    expect(meter.readings).toBeGreaterThan(HOSTILE_ANSWERS / METERS / 20);
    // A meter that has come to its senses is read again at once.
    meter.server.behave = (asked, socket) => socket.write(answer(asked, image(42n).slice(0, asked.count)));
    expect(await poller.poll({ isEdge: true })).toMatchObject({ kind: 'reading' });
    link.close();
    await meter.server.close();
  }
}, 120_000);
