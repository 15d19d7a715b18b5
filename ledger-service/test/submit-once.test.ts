/** A key of the caller's: what it stands for enters once, through crashes, races and full stores. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { openSqliteStore, type SqliteStore } from '../src/adapters/store/sqlite-store.js';
import { nodeCrypto } from '../src/adapters/system/node-crypto.js';
import { LedgerError } from '../src/core/errors.js';
import { ForwardingStore } from '../src/usecases/forwarding-store.js';
import { KeptKeys, MAX_KEPT_KEYS, MAX_KEY_AGE_S } from '../src/usecases/kept-keys.js';
import type { CommitBatch, LedgerStore } from '../src/usecases/ports.js';
import type { Submission, SubmitOnce } from '../src/usecases/submit-once.js';
import { countersAt, INTERVAL_S, LedgerStreet, START_S } from './support/ledger-street.js';

const community = 'sunny';

function party(street: LedgerStreet, member: string, number = street.nextNumber()): Submission['entries'][number] {
  return { kind: 1, cose: street.signedParty(member, number) };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'nothing was refused',
    (error: unknown) => (error instanceof LedgerError ? error.code : String(error)),
  );
}

const sizeOf = (street: LedgerStreet): Promise<number> => street.store.size(community);

describe('a key', () => {
  it('gets the first answer again, and nothing is written', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    const entries = [party(street, 'm-1'), party(street, 'm-2')];
    const before = await sizeOf(street);
    const first = await street.entries.submit({ community, entries, key: 'k' });
    expect(first).toEqual({ indices: [before, before + 1], isRepeat: false });
    for (let again = 0; again < 3; again++) {
      expect(await street.entries.submit({ community, entries, key: 'k' })).toEqual({ ...first, isRepeat: true });
    }
    expect(await sizeOf(street)).toBe(before + 2);
  });

  it('refuses other entries, each field of them, with conflict', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    const entries = [party(street, 'm-1')];
    await street.entries.submit({ community, entries, key: 'k' });
    const size = await sizeOf(street);
    const next = party(street, 'm-2');
    const others = [
      [next],
      [...entries, next],
      [],
      [{ ...entries[0]!, kind: 2 }],
      [{ ...entries[0]!, cose: entries[0]!.cose.subarray(1) }],
    ];
    for (const other of others) {
      expect(await codeOf(street.entries.submit({ community, entries: other, key: 'k' }))).toBe('conflict');
    }
    expect(await sizeOf(street)).toBe(size);
    await street.entries.submit({ community, entries: [next], key: 'another' });
  });

  it('is not taken by a request that was refused', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    const number = street.nextNumber();
    const wrong = { community, entries: [party(street, 'm-1', number + 5)], key: 'k' };
    for (let again = 0; again < 2; again++) expect(await codeOf(street.entries.submit(wrong))).toBe('bad-number');
    const right = { community, entries: [party(street, 'm-1', number)], key: 'k' };
    expect((await street.entries.submit(right)).isRepeat).toBe(false);
  });

  it('stands for itself in each community', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    const entries = [party(street, 'm-1')];
    await street.entries.submit({ community, entries, key: 'k' });
    expect(await codeOf(street.entries.submit({ community: 'other', entries, key: 'k' }))).toBe('not-found');
  });

  it('is kept for kinds whose leaf is public and whose is a commitment alike', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    const member = { community, entries: [party(street, 'm-1')], key: 'private' };
    expect(await street.entries.submit(member)).toMatchObject({ isRepeat: false });
    const device = { community, entries: [street.signedDevice('h9', 'm-1')], key: 'public' };
    const first = await street.entries.submit(device);
    expect(await street.entries.submit(device)).toEqual({ ...first, isRepeat: true });
    expect(await street.store.scan(community, 'idempotency', { limit: 10 })).toHaveLength(2);
  });

  it('keeps the text of no key, whatever a caller put into it', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    await street.entries.submit({ community, entries: [party(street, 'm-1')], key: 'Anna Muster' });
    const rows = await street.store.scan(community, 'idempotency', { limit: 10 });
    expect(rows.map(({ key }) => key)).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
    expect(JSON.stringify(rows)).not.toContain('Anna');
  });
});

describe('at the same time', () => {
  it('many requests under one key are one write and one answer', async () => {
    const street = await LedgerStreet.build({ homes: ['h1'] });
    const entries = [party(street, 'm-1')];
    const before = await sizeOf(street);
    const submit = () => street.entries.submit({ community, entries, key: 'k' });
    const answers = await Promise.all(Array.from({ length: 20 }, submit));
    expect(new Set(answers.map(({ indices }) => indices.join()))).toEqual(new Set([`${before}`]));
    expect(answers.filter(({ isRepeat }) => !isRepeat)).toHaveLength(1);
    expect(await sizeOf(street)).toBe(before + 1);
  });

  it('one of two different requests under one key wins, and the other is told', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    const number = street.nextNumber();
    const outcomes = await Promise.all(
      ['m-1', 'm-2'].map((member) =>
        codeOf(street.entries.submit({ community, entries: [party(street, member, number)], key: 'k' })),
      ),
    );
    expect(outcomes).toEqual(['nothing was refused', 'conflict']);
  });

  it('two ledgers on one store answer one key alike, whichever wrote', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    const other = street.openEntries();
    // Both have looked before either writes.
    await Promise.all([street.entries, other].map((one) => codeOf(one.submit({ community, entries: [], key: 'x' }))));
    const entries = [party(street, 'm-1')];
    const doors: SubmitOnce[] = [street.entries, other, other, street.entries];
    const answers = await Promise.all(doors.map((door) => door.submit({ community, entries, key: 'k' })));
    expect(new Set(answers.map(({ indices }) => indices.join())).size).toBe(1);
    expect(answers.filter(({ isRepeat }) => !isRepeat)).toHaveLength(1);
  });

  it('frames go on being taken beside keyed entries, and each commit carries its own key', async () => {
    const homes = ['h1', 'h2'];
    const street = await LedgerStreet.build({ homes });
    const keyed: Promise<unknown>[] = [];
    for (let n = 0; n < 4; n++) {
      const entries = [party(street, `m-${n}`)];
      keyed.push(street.entries.submit({ community, entries, key: `k${n}` }));
      await street.edge(START_S + n * INTERVAL_S, countersAt(homes, n));
    }
    await Promise.all(keyed);
    const rows = await street.store.scan(community, 'idempotency', { limit: 10 });
    const indices = rows.map(({ value }) => (JSON.parse(value as string) as { indices: number[] }).indices[0]!);
    for (const index of indices) expect(await kindAt(street, index)).toBe(1);
    expect(new Set(indices).size).toBe(4);
  });
});

describe('a keyed request that no log takes', () => {
  it('is refused by itself, and holds up no commit of frames beside it', async () => {
    const homes = ['h1'];
    const street = await LedgerStreet.build({ homes });
    const cose = new Uint8Array(70_000);
    for (const kind of [1, 2, 3, 8, 99]) {
      const refused = codeOf(street.entries.submit({ community, entries: [{ kind, cose }], key: `k${kind}` }));
      await street.edge(START_S + kind * INTERVAL_S, countersAt(homes, kind));
      expect(await refused, `${kind}`).toBe('bad-entry');
    }
  });
});

async function kindAt({ store }: LedgerStreet, index: number): Promise<number | undefined> {
  const [leaf] = await store.read(community, [{ table: 'leaf', key: index.toString().padStart(12, '0') }]);
  return (leaf as Uint8Array)[1];
}

describe('a key and its entries', () => {
  it('are there together after the process ended, and the answer is still the first', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'commonwatt-once-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'ledger.db');
    const store: { now: SqliteStore } = { now: openSqliteStore({ file }) };
    const street = await LedgerStreet.build({ homes: [], store: lazy(store) });
    const submission = { community, entries: [party(street, 'm-1')], key: 'k' };
    const first = await street.entries.submit(submission);
    await store.now.close();
    store.now = openSqliteStore({ file });
    expect(await street.openEntries().submit(submission)).toEqual({ ...first, isRepeat: true });
    await store.now.close();
  });

  it('are both there or neither, wherever the store fails or the answer is lost', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('fail', 'lose', 'pass'), { maxLength: 6 }), async (fates) => {
        const store = new FatefulStore(new MemoryStore());
        const street = await LedgerStreet.build({ homes: [], store });
        const submission = { community, entries: [party(street, 'm-1')], key: 'k' };
        const before = await sizeOf(street);
        store.fates = [...fates];
        let doors = street.entries;
        for (let tries = 0; tries <= fates.length + 1; tries++) {
          const answer = await doors.submit(submission).catch(() => undefined);
          const rows = await store.scan(community, 'idempotency', { limit: 10 });
          expect(rows.length).toBe((await sizeOf(street)) - before);
          if (answer !== undefined) expect(answer.indices).toEqual([before]);
          // As after a crash: all that memory held is gone.
          doors = street.openEntries();
        }
        expect(await doors.submit(submission)).toEqual({ indices: [before], isRepeat: true });
        expect(await sizeOf(street)).toBe(before + 1);
      }),
      { numRuns: 60 },
    );
  });

  it('live on after a rebuild drops what is folded', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    await street.entries.submit({ community, entries: [party(street, 'm-1')], key: 'k' });
    await street.store.dropProjections(community);
    expect(await street.store.scan(community, 'idempotency', { limit: 10 })).toHaveLength(1);
  });
});

describe('keys are let go', () => {
  it('after a week, and then the ledger itself says that the number was used', async () => {
    const street = await LedgerStreet.build({ homes: [] });
    const submission = { community, entries: [party(street, 'm-1')], key: 'k' };
    await street.entries.submit(submission);
    street.clock.set(street.clock.nowMs() + MAX_KEY_AGE_S * 1000);
    expect((await street.entries.submit(submission)).isRepeat).toBe(true);
    street.clock.set(street.clock.nowMs() + 1000);
    expect(await codeOf(street.entries.submit(submission))).toBe('bad-number');
    await street.entries.submit({ community, entries: [party(street, 'm-2')], key: 'k' });
    expect(await street.store.scan(community, 'idempotency', { limit: 10 })).toHaveLength(1);
  });

  it('the oldest first beyond so many, also by a ledger that has just started', async () => {
    const store = new MemoryStore();
    let nowMs = START_S * 1000;
    const clock = { nowMs: () => nowMs };
    let keys = new KeptKeys({ store, crypto: nodeCrypto(), clock });
    const keep = async (name: string) => {
      nowMs += 1000;
      const writes = (await keys.planFor('c', name))({ request: 'r', indices: [1] });
      await store.commit('c', { expectedSize: 0, newSize: 0, writes });
      await keys.noteKept('c', name);
    };
    for (let i = 0; i < MAX_KEPT_KEYS + 5; i++) await keep(`k${i}`);
    keys = new KeptKeys({ store, crypto: nodeCrypto(), clock });
    await keep('after the start');
    const rows = await store.scan('c', 'idempotency', { limit: 10_000 });
    expect(rows).toHaveLength(MAX_KEPT_KEYS);
    expect(await keys.recall('c', 'k5')).toBeUndefined();
    expect(await keys.recall('c', 'k6')).toMatchObject({ indices: [1] });
    expect(await keys.recall('c', 'after the start')).toBeDefined();
  });
});

/** A store that can be closed and opened again under a ledger that knows one. */
function lazy(store: { now: LedgerStore }): LedgerStore {
  return new Proxy({} as LedgerStore, {
    get: (_, name: keyof LedgerStore) => (store.now[name] as () => unknown).bind(store.now),
  });
}

/** Commits fail, or are applied and the process never hears of it. */
class FatefulStore extends ForwardingStore {
  fates: ('fail' | 'lose' | 'pass')[] = [];

  override async commit(community: string, batch: CommitBatch): Promise<'applied' | 'conflict'> {
    const fate = this.fates.shift() ?? 'pass';
    if (fate === 'fail') throw new LedgerError('store', 'the disk is full');
    const outcome = await super.commit(community, batch);
    if (fate === 'lose') throw new LedgerError('store', 'the connection is lost');
    return outcome;
  }
}
