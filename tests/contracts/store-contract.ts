/** What every store must do, run over each adapter: `describeStore(name, open)` with a way to open an empty one. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ALL_TABLES,
  indexKey,
  openingKey,
  PROJECTION_TABLES,
  type RowValue,
  SOURCE_TABLES,
  type TableName,
} from '../../ledger-service/src/core/rows.js';
import type { LedgerStore, RowWrite } from '../../ledger-service/src/usecases/ports.js';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** Writes of leaves `from` to before `to`, each with bytes of its own. */
export function leaves(from: number, to: number): RowWrite[] {
  const writes: RowWrite[] = [];
  for (let index = from; index < to; index++) {
    writes.push({ table: 'leaf', key: indexKey(index), value: bytes(index & 255, (index >> 8) & 255, 7) });
  }
  return writes;
}

export const put = (table: TableName, key: string, value: RowValue): RowWrite => ({ table, key, value });
export const remove = (table: TableName, key: string): RowWrite => ({ table, key, value: undefined });

/** A commit that must apply and leaves the log's size alone. */
export async function write(store: LedgerStore, community: string, writes: readonly RowWrite[]): Promise<void> {
  const size = await store.size(community);
  expect(await store.commit(community, { expectedSize: size, newSize: size, writes })).toBe('applied');
}

async function readOne(store: LedgerStore, community: string, table: TableName, key: string) {
  const [value] = await store.read(community, [{ table, key }]);
  return value;
}

async function keysOf(store: LedgerStore, community: string, table: TableName): Promise<string[]> {
  return (await store.scan(community, table, { limit: 10_000 })).map((row) => row.key);
}

/** Hashes of all tables: equal before and after means that nothing has changed. */
async function dumps(store: LedgerStore, community: string): Promise<string[]> {
  return Promise.all(ALL_TABLES.map((table) => store.dumpHash(community, table)));
}

export function describeStore(name: string, open: () => LedgerStore): void {
  describe(`store contract: ${name}`, () => {
    let store: LedgerStore;
    beforeEach(() => {
      store = open();
    });
    afterEach(() => store.close());

    describe('rows', () => {
      it('gives back text as text and bytes as bytes, empty ones too', async () => {
        const values: RowValue[] = [
          '',
          'text',
          '{"a":"ä€😀"}',
          'nul\u0000inside',
          '12',
          bytes(),
          bytes(0, 255, 128),
          bytes(49),
        ];
        await write(
          store,
          'c',
          values.map((value, i) => put('frame', `k${i}`, value)),
        );
        const got = await store.read(
          'c',
          values.map((_, i) => ({ table: 'frame', key: `k${i}` })),
        );
        expect(got).toEqual(values);
        expect((await store.scan('c', 'frame', { limit: 100 })).map((row) => row.value)).toEqual(values);
        for (const value of got) if (typeof value !== 'string') expect(value?.constructor).toBe(Uint8Array);
      });

      it('gives back a value of a megabyte', async () => {
        const large = new Uint8Array(1_000_000).map((_, i) => i % 251);
        await write(store, 'c', [put('opening', openingKey(0), large), put('readings', 'm/1/0', large)]);
        expect(Buffer.compare((await readOne(store, 'c', 'opening', openingKey(0))) as Uint8Array, large)).toBe(0);
        expect(Buffer.compare((await readOne(store, 'c', 'readings', 'm/1/0')) as Uint8Array, large)).toBe(0);
      });

      it('answers in the order of the addresses, undefined where there is no row', async () => {
        await write(store, 'c', [put('party', 'a', '1'), put('device', 'a', '2')]);
        const got = await store.read('c', [
          { table: 'device', key: 'a' },
          { table: 'party', key: 'b' },
          { table: 'party', key: 'a' },
          { table: 'device', key: 'a' },
        ]);
        expect(got).toEqual(['2', undefined, '1', '2']);
        expect(await store.read('c', [])).toEqual([]);
      });

      it('keeps its own copy of bytes, on the way in and on the way out', async () => {
        const mine = bytes(1, 2, 3);
        await write(store, 'c', [put('tile', 't', mine)]);
        mine[0] = 99;
        const first = (await readOne(store, 'c', 'tile', 't')) as Uint8Array;
        first[1] = 99;
        const [scanned] = await store.scan('c', 'tile', { limit: 1 });
        (scanned!.value as Uint8Array)[2] = 99;
        expect(await readOne(store, 'c', 'tile', 't')).toEqual(bytes(1, 2, 3));
      });

      it('replaces a row of a projection, with another type too, and deletes it', async () => {
        await write(store, 'c', [put('balance', 'm', '1')]);
        await write(store, 'c', [put('balance', 'm', bytes(2))]);
        expect(await readOne(store, 'c', 'balance', 'm')).toEqual(bytes(2));
        await write(store, 'c', [remove('balance', 'm'), remove('balance', 'never there')]);
        expect(await readOne(store, 'c', 'balance', 'm')).toBeUndefined();
        expect(await keysOf(store, 'c', 'balance')).toEqual([]);
      });

      it('applies the writes of a batch in their order', async () => {
        await write(store, 'c', [put('due', 'a', '1'), put('due', 'a', '2'), put('due', 'b', '1'), remove('due', 'b')]);
        await write(store, 'c', [remove('due', 'a'), put('due', 'a', '3')]);
        expect(await store.scan('c', 'due', { limit: 10 })).toEqual([{ key: 'a', value: '3' }]);
      });

      it('has every table of the list and no other', async () => {
        await write(
          store,
          'c',
          ALL_TABLES.filter((t) => t !== 'leaf').map((table) => put(table, 'k', table)),
        );
        for (const table of ALL_TABLES)
          expect(await readOne(store, 'c', table, 'k')).toBe(table === 'leaf' ? undefined : table);
        const wrong = 'leaf" --' as TableName;
        await expect(store.read('c', [{ table: wrong, key: 'k' }])).rejects.toMatchObject({ code: 'bad-request' });
        await expect(store.scan('c', wrong, { limit: 1 })).rejects.toMatchObject({ code: 'bad-request' });
        await expect(store.dumpHash('c', wrong)).rejects.toMatchObject({ code: 'bad-request' });
        await expect(
          store.commit('c', { expectedSize: 0, newSize: 0, writes: [put(wrong, 'k', '')] }),
        ).rejects.toMatchObject({ code: 'bad-request' });
      });

      it('refuses keys and text that have no UTF-8, and values that are neither text nor bytes', async () => {
        const bad: RowWrite[] = [
          put('party', '\ud800', ''),
          put('party', 'k', 'x\udc00'),
          put('party', 'k', 5 as unknown as string),
          put('party', 'k', null as unknown as string),
        ];
        for (const one of bad) {
          await expect(store.commit('c', { expectedSize: 0, newSize: 0, writes: [one] })).rejects.toMatchObject({
            code: 'bad-request',
          });
        }
        await expect(store.commit('\udfff', { expectedSize: 0, newSize: 0, writes: [] })).rejects.toMatchObject({
          code: 'bad-request',
        });
        expect(await store.communities()).toEqual([]);
      });
    });

    describe('scans', () => {
      /** In the order of their UTF-8 bytes; UTF-16 would put the last two the other way round. */
      const ORDERED = [
        '',
        '\u0000',
        '0',
        'A',
        'Z',
        'a',
        'a\u0000',
        'a/1',
        'a0',
        'aa',
        'b',
        'z',
        'é',
        '€',
        '\uffee',
        '😀',
      ];

      beforeEach(async () => {
        const shuffled = [...ORDERED].sort(
          (a, b) => ((a.length * 7 + a.charCodeAt(0)) % 5) - ((b.length * 7 + b.charCodeAt(0)) % 5),
        );
        await write(
          store,
          'c',
          shuffled.map((key) => put('interval', key, key)),
        );
      });

      it('go in the order of the keys bytes, both ways', async () => {
        expect(await keysOf(store, 'c', 'interval')).toEqual(ORDERED);
        const backwards = await store.scan('c', 'interval', { limit: 100, reverse: true });
        expect(backwards.map((row) => row.key)).toEqual([...ORDERED].reverse());
      });

      it('include `from` and leave out `to`, for every pair of bounds', async () => {
        const bounds = [...ORDERED, 'a/', '~', '\u{10ffff}'];
        for (const from of bounds) {
          for (const to of bounds) {
            const inside = ORDERED.filter(
              (key) =>
                Buffer.compare(Buffer.from(key), Buffer.from(from)) >= 0 &&
                Buffer.compare(Buffer.from(key), Buffer.from(to)) < 0,
            );
            const up = await store.scan('c', 'interval', { from, to, limit: 100 });
            expect(up.map((row) => row.key)).toEqual(inside);
            const down = await store.scan('c', 'interval', { from, to, limit: 2, reverse: true });
            expect(down.map((row) => row.key)).toEqual(inside.reverse().slice(0, 2));
          }
        }
      });

      it('with one bound only', async () => {
        const from = await store.scan('c', 'interval', { from: 'b', limit: 100 });
        expect(from.map((row) => row.key)).toEqual(ORDERED.slice(ORDERED.indexOf('b')));
        const to = await store.scan('c', 'interval', { to: 'a0', limit: 100, reverse: true });
        expect(to.map((row) => row.key)).toEqual(ORDERED.slice(0, ORDERED.indexOf('a0')).reverse());
      });

      it('page through with the last key and a zero as the next `from`', async () => {
        const seen: string[] = [];
        for (let from = ''; ; ) {
          const page = await store.scan('c', 'interval', { from, limit: 3 });
          seen.push(...page.map((row) => row.key));
          if (page.length < 3) break;
          from = `${page.at(-1)!.key}\u0000`;
        }
        expect(seen).toEqual(ORDERED);
      });

      it.each([0, -1, 1.5, Number.NaN, 10_001, Number.POSITIVE_INFINITY])('refuse a limit of %s', async (limit) => {
        await expect(store.scan('c', 'interval', { limit })).rejects.toMatchObject({ code: 'bad-request' });
      });

      it('answer nothing for an unknown community or an empty table', async () => {
        expect(await store.scan('d', 'interval', { limit: 10 })).toEqual([]);
        expect(await store.scan('c', 'frame', { limit: 10 })).toEqual([]);
      });
    });

    describe('commits', () => {
      it('of size 0 make an unknown community, and only those', async () => {
        expect(await store.communities()).toEqual([]);
        expect(await store.size('c')).toBe(0);
        expect(await store.commit('c', { expectedSize: 1, newSize: 2, writes: leaves(1, 2) })).toBe('conflict');
        expect(await store.communities()).toEqual([]);
        expect(await store.commit('c', { expectedSize: 0, newSize: 0, writes: [] })).toBe('applied');
        expect(await store.commit('b', { expectedSize: 0, newSize: 2, writes: leaves(0, 2) })).toBe('applied');
        expect(await store.commit('é', { expectedSize: 0, newSize: 0, writes: [] })).toBe('applied');
        expect(await store.communities()).toEqual(['b', 'c', 'é']);
        expect([await store.size('c'), await store.size('b')]).toEqual([0, 2]);
      });

      it('on another size say conflict and leave nothing', async () => {
        await store.commit('c', { expectedSize: 0, newSize: 3, writes: [...leaves(0, 3), put('party', 'p', '1')] });
        const before = await dumps(store, 'c');
        for (const expectedSize of [0, 2, 4]) {
          const writes = [...leaves(expectedSize, expectedSize + 1), put('party', 'p', '2'), put('frame', 'f', '')];
          expect(await store.commit('c', { expectedSize, newSize: expectedSize + 1, writes })).toBe('conflict');
        }
        expect(await dumps(store, 'c')).toEqual(before);
        expect(await store.size('c')).toBe(3);
      });

      it('let one of many writers win that decided on the same size', async () => {
        await store.commit('c', { expectedSize: 0, newSize: 1, writes: leaves(0, 1) });
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, (_, writer) =>
            store.commit('c', {
              expectedSize: 1,
              newSize: 2,
              writes: [...leaves(1, 2), put('party', 'p', `${writer}`)],
            }),
          ),
        );
        expect(outcomes.filter((outcome) => outcome === 'applied')).toHaveLength(1);
        expect(await readOne(store, 'c', 'party', 'p')).toBe(`${outcomes.indexOf('applied')}`);
        expect(await store.size('c')).toBe(2);
      });

      it('that fail in the middle leave nothing', async () => {
        await store.commit('c', { expectedSize: 0, newSize: 2, writes: leaves(0, 2) });
        await write(store, 'c', [put('party', 'p', 'old'), put('parked', 'k', 'old')]);
        const before = await dumps(store, 'c');
        const writes = [
          ...leaves(2, 4),
          put('party', 'p', 'new'),
          put('party', 'q', 'new'),
          remove('parked', 'k'),
          put('leaf', indexKey(0), bytes(1)),
        ];
        await expect(store.commit('c', { expectedSize: 2, newSize: 4, writes })).rejects.toMatchObject({
          code: 'invariant',
        });
        expect(await dumps(store, 'c')).toEqual(before);
        expect(await store.size('c')).toBe(2);
        await expect(
          store.commit('new', { expectedSize: 0, newSize: 1, writes: [...leaves(0, 1), put('leaf', indexKey(0), '')] }),
        ).rejects.toMatchObject({ code: 'invariant' });
        expect(await store.communities()).toEqual(['c']);
        expect(await store.commit('c', { expectedSize: 2, newSize: 4, writes: leaves(2, 4) })).toBe('applied');
      });

      it('never shrink a log, leave a hole in it or grow it without leaves', async () => {
        await store.commit('c', { expectedSize: 0, newSize: 3, writes: leaves(0, 3) });
        const broken = [
          { expectedSize: 3, newSize: 2, writes: [] },
          { expectedSize: 3, newSize: 4, writes: [] },
          { expectedSize: 3, newSize: 4, writes: leaves(4, 5) },
          { expectedSize: 3, newSize: 5, writes: [...leaves(3, 4), ...leaves(5, 6)] },
          { expectedSize: 3, newSize: 4, writes: leaves(3, 5) },
          { expectedSize: 3, newSize: 3, writes: leaves(3, 4) },
          ...['', '0', '00000000000', ' 00000000001', '0000000000001', 'x'].map((key) => ({
            expectedSize: 3,
            newSize: 3,
            writes: [put('leaf', key, '')],
          })),
        ];
        for (const batch of broken) await expect(store.commit('c', batch)).rejects.toMatchObject({ code: 'invariant' });
        for (const size of [-1, 0.5, Number.NaN, 2 ** 53]) {
          await expect(store.commit('c', { expectedSize: size, newSize: size, writes: [] })).rejects.toMatchObject({
            code: 'bad-request',
          });
        }
        expect(await store.size('c')).toBe(3);
      });

      it('of 10,000 rows and 5,000 leaves apply at once', async () => {
        const rows = Array.from({ length: 5000 }, (_, i) => put('frame', `kid/${(i * 7919) % 5000}`, `${i}`));
        expect(await store.commit('c', { expectedSize: 0, newSize: 5000, writes: [...leaves(0, 5000), ...rows] })).toBe(
          'applied',
        );
        expect(await store.size('c')).toBe(5000);
        expect(await keysOf(store, 'c', 'leaf')).toHaveLength(5000);
        expect(await keysOf(store, 'c', 'frame')).toHaveLength(5000);
        expect(await readOne(store, 'c', 'frame', 'kid/7919')).toBeUndefined();
        expect(await readOne(store, 'c', 'frame', `kid/${(4321 * 7919) % 5000}`)).toBe('4321');
      });
    });

    describe('sources', () => {
      it.each(['leaf', 'opening', 'checkpoint', 'privacy_key'] as const)(
        '%s: the same bytes again are fine, others are not',
        async (table) => {
          const key = indexKey(0);
          await store.commit('c', { expectedSize: 0, newSize: 1, writes: leaves(0, 1) });
          const value = (await readOne(store, 'c', 'leaf', key)) as Uint8Array;
          await write(store, 'c', [put(table, key, value)]);
          await write(store, 'c', [put(table, key, Uint8Array.from(value))]);
          for (const other of [bytes(1), bytes(), '', 'text', Buffer.from(value).toString('latin1')]) {
            await expect(
              store.commit('c', { expectedSize: 1, newSize: 1, writes: [put(table, key, other)] }),
            ).rejects.toMatchObject({
              code: 'invariant',
            });
          }
          expect(await readOne(store, 'c', table, key)).toEqual(value);
        },
      );

      it('leaves and checkpoints cannot be deleted', async () => {
        await store.commit('c', {
          expectedSize: 0,
          newSize: 1,
          writes: [...leaves(0, 1), put('checkpoint', indexKey(1), 'note')],
        });
        for (const gone of [
          remove('leaf', indexKey(0)),
          remove('checkpoint', indexKey(1)),
          remove('leaf', indexKey(9)),
        ]) {
          await expect(store.commit('c', { expectedSize: 1, newSize: 1, writes: [gone] })).rejects.toMatchObject({
            code: 'invariant',
          });
        }
      });

      it('openings, privacy keys and parked frames can, and a parked frame can be replaced', async () => {
        await write(store, 'c', [
          put('opening', openingKey(0), bytes(1)),
          put('privacy_key', 'm', bytes(2)),
          put('parked', 'k/1', bytes(3)),
        ]);
        await write(store, 'c', [put('parked', 'k/1', bytes(4))]);
        expect(await readOne(store, 'c', 'parked', 'k/1')).toEqual(bytes(4));
        await write(store, 'c', [
          remove('opening', openingKey(0)),
          remove('privacy_key', 'm'),
          remove('parked', 'k/1'),
        ]);
        for (const table of SOURCE_TABLES) expect(await keysOf(store, 'c', table)).toEqual([]);
      });
    });

    describe('communities', () => {
      it('do not see each other, whatever their names', async () => {
        const names = ['c', 'c/', 'C', 'cc', "c'--", ''];
        for (const [i, name] of names.entries()) {
          await store.commit(name, { expectedSize: 0, newSize: i, writes: [...leaves(0, i), put('party', 'p', name)] });
        }
        for (const [i, name] of names.entries()) {
          expect(await store.size(name)).toBe(i);
          expect(await store.scan(name, 'party', { limit: 10 })).toEqual([{ key: 'p', value: name }]);
          expect(await keysOf(store, name, 'leaf')).toHaveLength(i);
        }
      });

      it('lose exactly their projections when these are dropped', async () => {
        const writes = ALL_TABLES.filter((t) => t !== 'leaf').map((table) => put(table, 'k', table));
        for (const community of ['c', 'd']) {
          await store.commit(community, { expectedSize: 0, newSize: 2, writes: [...leaves(0, 2), ...writes] });
        }
        const sources = await Promise.all(SOURCE_TABLES.map((table) => store.dumpHash('c', table)));
        const other = await dumps(store, 'd');
        await store.dropProjections('c');
        for (const table of PROJECTION_TABLES) expect(await keysOf(store, 'c', table)).toEqual([]);
        expect(await Promise.all(SOURCE_TABLES.map((table) => store.dumpHash('c', table)))).toEqual(sources);
        expect(await dumps(store, 'd')).toEqual(other);
        expect(await store.size('c')).toBe(2);
        await store.dropProjections('unknown');
        expect(await store.communities()).toEqual(['c', 'd']);
      });
    });

    describe('dump hashes', () => {
      it('of an empty table are the hash of nothing', async () => {
        const nothing = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
        expect(await store.dumpHash('unknown', 'party')).toBe(nothing);
        await write(store, 'c', [put('party', 'p', '1')]);
        expect(await store.dumpHash('c', 'device')).toBe(nothing);
      });

      it('are the documented bytes', async () => {
        await write(store, 'c', [put('party', 'é', bytes(0xff)), put('party', 'a', '€')]);
        // SHA-256 of 00000001 61 't' 00000003 e282ac, 00000002 c3a9 'b' 00000001 ff
        expect(await store.dumpHash('c', 'party')).toBe(
          'b3661dc6caa255669957e1b052dda09cad806c1a30407f81edc8b246d784eed8',
        );
      });

      it('depend on the rows and not on the way to them', async () => {
        await write(store, 'one', [put('party', 'a', '1'), put('party', 'b', '2')]);
        await write(store, 'two', [put('party', 'b', 'x'), put('party', 'c', '')]);
        await write(store, 'two', [put('party', 'b', '2'), put('party', 'a', '1'), remove('party', 'c')]);
        const hash = await store.dumpHash('one', 'party');
        expect(await store.dumpHash('two', 'party')).toBe(hash);
        for (const change of [put('party', 'b', Buffer.from('2')), put('party', 'a', '12'), remove('party', 'a')]) {
          await write(store, 'two', [change]);
          expect(await store.dumpHash('two', 'party')).not.toBe(hash);
        }
      });
    });

    it('says that it is closed, and closes twice', async () => {
      await store.close();
      await store.close();
      await expect(store.size('c')).rejects.toMatchObject({ code: 'store' });
      await expect(store.communities()).rejects.toMatchObject({ code: 'store' });
      await expect(store.commit('c', { expectedSize: 0, newSize: 0, writes: [] })).rejects.toMatchObject({
        code: 'store',
      });
    });
  });
}
