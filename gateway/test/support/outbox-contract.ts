import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { MAX_SHELVED, type NewOutgoing, type Outbox } from '../../src/core/outbox.js';
import type { Sample } from '../../src/core/reading.js';
import type { GatewayState } from '../../src/core/state.js';

/** How a store is made and, after the process that had it is gone, opened again. */
export interface OutboxStore {
  open(): Outbox;
  /** The process dies: nothing is closed in order. */
  crash(): void;
  dispose(): void;
}

export const sample: Sample = {
  atS: 1000,
  clock: { source: 2, errorMs: 20, ageS: 3 },
  channels: [
    { meterIndex: 0, quantity: 1, status: 0, value: (1n << 64n) - 1n },
    { meterIndex: 3, quantity: 5, status: 2, value: 0n },
  ],
  breakBefore: true,
  clockStepS: -3600,
  attempt: 2,
};

export const state: GatewayState = {
  kid: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  origin: 'test.example/street',
  gateway: 'gw',
  boot: 7,
  epoch: 3,
  next: 99,
  opening: new Uint8Array(32).fill(9),
  accepted: { number: 98, hash: new Uint8Array(32).fill(4) },
  asking: { reason: 2, oldEpoch: 3 },
  lostReadings: 5,
  lostTold: 3,
  refused: 1,
  checkpoint: { size: 12, root: new Uint8Array(32).fill(1) },
  lastReceiptS: 1_700_000_000,
  meters: new Map([
    [
      0,
      {
        generation: 2,
        lastS: 1000,
        baselines: new Map([[1 as const, { value: (1n << 64n) - 1n, atS: 1000 }]]),
        suspicion: { atS: 1900, values: new Map([[1 as const, 5n]]) },
      },
    ],
    [1, { generation: 1, baselines: new Map() }],
  ]),
};

export function frame(number: number, change: Partial<NewOutgoing> = {}): NewOutgoing {
  return {
    kind: 'frame',
    epoch: 1,
    number,
    payload: Uint8Array.of(number & 255, 1),
    samples: 3,
    attempt: 0,
    ...change,
  };
}

const bytes = (value: number) => new Uint8Array(32).fill(value);

/** The promises of the outbox port, for every store. */
export function outboxContract(name: string, makeStore: () => OutboxStore): void {
  describe(`the outbox (${name})`, () => {
    let store: OutboxStore;
    const begin = () => {
      store = makeStore();
      return store.open();
    };
    afterEach(() => store.dispose());

    it('is empty at first', () => {
      const outbox = begin();
      expect(outbox.state()).toBeUndefined();
      expect(outbox.samples()).toEqual([]);
      expect(outbox.newestFrame()).toBeUndefined();
      expect(outbox.usage()).toEqual({ waitingSamples: 0, framedSamples: 0, outgoing: 0, shelved: 0 });
    });

    it('gives back, after a crash, exactly what was committed', () => {
      const outbox = begin();
      const { sampleIds, outgoingIds } = outbox.commit({ state, addSamples: [sample], addOutgoing: [frame(1)] });
      store.crash();
      const again = store.open();
      expect(again.state()).toEqual(state);
      expect(again.samples()).toEqual([{ ...sample, id: sampleIds[0] }]);
      expect(again.newestFrame()).toEqual({ ...frame(1), id: outgoingIds[0], payload: again.newestFrame()!.payload });
      expect(Uint8Array.from(again.newestFrame()!.payload)).toEqual(frame(1).payload);
      again.close();
    });

    it('keeps out a second opener until the first is gone', () => {
      const outbox = begin();
      expect(() => store.open()).toThrow(expect.objectContaining({ code: 'outbox-in-use' }));
      outbox.close();
      store.open().close();
    });

    it('gives rising ids in the order of the batch, and messages in the order of their ids', () => {
      const outbox = begin();
      const { outgoingIds } = outbox.commit({ addOutgoing: [frame(1), frame(0, { kind: 'counter' }), frame(2)] });
      expect(outgoingIds).toEqual([...outgoingIds].sort((a, b) => a - b));
      expect(outbox.outgoing({ afterId: 0, limit: 10 }).map(({ kind }) => kind)).toEqual(['frame', 'counter', 'frame']);
      expect(outbox.outgoing({ afterId: outgoingIds[0]!, limit: 1 }).map(({ id }) => id)).toEqual([outgoingIds[1]]);
      expect(outbox.requests().map(({ id }) => id)).toEqual([outgoingIds[1]]);
      expect(outbox.frame(1, 2)?.id).toBe(outgoingIds[2]);
      expect(outbox.frame(1, 3)).toBeUndefined();
    });

    it('gives samples by their time, then by their order', () => {
      const outbox = begin();
      outbox.commit({ addSamples: [3, 1, 2, 1].map((atS, attempt) => ({ ...sample, atS, attempt })) });
      expect(outbox.samples().map(({ atS, attempt }) => [atS, attempt])).toEqual([
        [1, 1],
        [1, 3],
        [2, 2],
        [3, 0],
      ]);
    });

    it('moves readings into a frame in one commit', () => {
      const outbox = begin();
      const { sampleIds } = outbox.commit({ addSamples: [sample, { ...sample, atS: 2000 }] });
      outbox.commit({ removeSamples: [sampleIds[0]!], addOutgoing: [frame(1)] });
      expect(outbox.usage()).toEqual({ waitingSamples: 1, framedSamples: 3, outgoing: 1, shelved: 0 });
    });

    it('keeps signature and hash once they are told', () => {
      const outbox = begin();
      const [id] = outbox.commit({ addOutgoing: [frame(1)] }).outgoingIds;
      expect(outbox.newestFrame()).not.toHaveProperty('message');
      outbox.commit({ signed: [{ id: id!, message: bytes(7), hash: bytes(8) }] });
      const { message, hash } = outbox.newestFrame()!;
      expect([Uint8Array.from(message!), Uint8Array.from(hash!)]).toEqual([bytes(7), bytes(8)]);
    });

    it('never takes a second frame of one number, and applies nothing of such a batch', () => {
      const outbox = begin();
      outbox.commit({ state, addOutgoing: [frame(1)] });
      const change = { state: { ...state, next: 1 }, addSamples: [sample], addOutgoing: [frame(1)] };
      expect(() => outbox.commit(change)).toThrow(expect.objectContaining({ code: 'outbox-damaged' }));
      expect(outbox.state()!.next).toBe(99);
      expect(outbox.samples()).toEqual([]);
      outbox.commit({ addOutgoing: [frame(1, { epoch: 2 }), frame(1, { kind: 'gap' })] });
    });

    it('shelves what was refused: still seen, never sent', () => {
      const outbox = begin();
      const ids = outbox.commit({ addOutgoing: [frame(1), frame(2), frame(3)] }).outgoingIds;
      outbox.commit({ shelve: [{ id: ids[1]!, code: 8 }, { id: ids[2]! }] });
      expect(outbox.outgoing({ afterId: 0, limit: 10 }).map(({ number }) => number)).toEqual([1]);
      expect(outbox.newestFrame()?.number).toBe(1);
      expect(outbox.frame(1, 2)).toBeUndefined();
      expect(outbox.shelved(10)).toEqual([
        { kind: 'frame', epoch: 1, number: 3 },
        { kind: 'frame', epoch: 1, number: 2, code: 8 },
      ]);
      expect(outbox.usage()).toMatchObject({ framedSamples: 3, outgoing: 1, shelved: 2 });
    });

    it('bounds what is shelved by letting the oldest go', () => {
      const outbox = begin();
      const numbers = Array.from({ length: MAX_SHELVED + 5 }, (_, i) => i + 1);
      const ids = outbox.commit({ addOutgoing: numbers.map((number) => frame(number)) }).outgoingIds;
      outbox.commit({ shelve: ids.map((id) => ({ id })) });
      expect(outbox.usage().shelved).toBe(MAX_SHELVED);
      expect(outbox.shelved(1)[0]!.number).toBe(MAX_SHELVED + 5);
    });

    it('remembers the hashes of frames that left', () => {
      const outbox = begin();
      const [id] = outbox.commit({ addOutgoing: [frame(1)] }).outgoingIds;
      outbox.commit({ removeOutgoing: [id!], passed: [{ epoch: 1, number: 1, hash: bytes(5) }] });
      expect(Uint8Array.from(outbox.passedHash(1, 1)!)).toEqual(bytes(5));
      expect(outbox.passedHash(1, 2)).toBeUndefined();
      expect(outbox.usage().outgoing).toBe(0);
    });

    it('counts what it holds, whatever came and went', () => {
      const outbox = begin();
      let number = 0;
      const expected = { waiting: new Set<number>(), outgoing: new Set<number>(), shelved: 0 };
      const step = fc.record({ add: fc.nat(3), frames: fc.nat(3), drop: fc.nat(3), shelve: fc.boolean() });
      fc.assert(
        fc.property(step, ({ add, frames, drop, shelve }) => {
          const removeSamples = [...expected.waiting].slice(0, drop);
          const done = [...expected.outgoing].slice(0, drop);
          const { sampleIds, outgoingIds } = outbox.commit({
            addSamples: Array.from({ length: add }, () => sample),
            addOutgoing: Array.from({ length: frames }, () => frame(++number)),
            removeSamples,
            ...(shelve ? { shelve: done.map((id) => ({ id })) } : { removeOutgoing: done }),
          });
          for (const id of removeSamples) expected.waiting.delete(id);
          for (const id of done) expected.outgoing.delete(id);
          for (const id of sampleIds) expected.waiting.add(id);
          for (const id of outgoingIds) expected.outgoing.add(id);
          if (shelve) expected.shelved += done.length;
          expect(outbox.usage()).toEqual({
            waitingSamples: expected.waiting.size,
            framedSamples: 3 * expected.outgoing.size,
            outgoing: expected.outgoing.size,
            shelved: expected.shelved,
          });
        }),
      );
    });
  });
}
