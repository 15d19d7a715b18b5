import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesEqual } from '../src/bytes.js';
import {
  advance,
  applyGap,
  decideEpochRequest,
  decideGap,
  decideSequence,
  GAP_DEADLINE_S,
  type GapClaim,
  MAX_PARKED,
  markForked,
  nextParked,
  openEpoch,
  overdueGap,
  type ParkedFrame,
  park,
  type SequencedFrame,
  type SequenceState,
} from '../src/sequence.js';
import vectors from '../vectors/sequence.json' with { type: 'json' };
import { bytesOf, codeOf } from './support.js';

/** In the vectors a hash is written as the one byte it is made of. */
const hash = (text: string): Uint8Array => bytesOf(Number.parseInt(text, 16));

type StateJson = (typeof vectors.decisions)[number]['state'];

function stateOf({ expectedPrevious, parked, ...rest }: StateJson): SequenceState {
  return {
    ...rest,
    expectedPrevious: hash(expectedPrevious),
    parked: parked.map((frame) => ({ ...frame, hash: hash(frame.hash), previous: hash(frame.previous) })),
  };
}

const fresh = openEpoch(undefined, { epoch: 1, openingLeafHash: bytesOf(0xa0) });
/** Frame n of an honest chain has the hash n, and names n - 1. */
const frame = (number: number, epoch = 1): SequencedFrame => ({
  epoch,
  number,
  previous: number === 1 ? bytesOf(0xa0) : bytesOf(number - 1),
  hash: bytesOf(number),
});
const parkedFrame = (number: number, receivedS = 1000): ParkedFrame => ({ ...frame(number), receivedS });
const accepted = (count: number): SequenceState => {
  let state = fresh;
  for (let number = 1; number <= count; number++) state = advance(state, frame(number));
  return state;
};

describe('a frame by its place in the sequence', () => {
  it.each(vectors.decisions)('$desc', ({ state, frame: { epoch, number, previous, hash: own }, decision }) => {
    expect(decideSequence(stateOf(state), { epoch, number, previous: hash(previous), hash: hash(own) })).toEqual(
      decision,
    );
  });

  it('is decided by the first row that fits, in every small situation', () => {
    // The rows as PROTOCOL 5.1 lists them, each on its own; the code under test shortens the way through them.
    const isParked = (s: SequenceState, f: SequencedFrame) => s.parked.find(({ number }) => number === f.number);
    const isGivenUp = (s: SequenceState, f: SequencedFrame) =>
      s.gaps.some(({ first, last }) => first <= f.number && f.number <= last);
    const rows: [string, (s: SequenceState, f: SequencedFrame) => boolean][] = [
      ['wrong-epoch', (s, f) => f.epoch < s.epoch],
      ['wrong-epoch', (s, f) => f.epoch > s.epoch],
      ['fork', (s, f) => f.number < s.next && !isGivenUp(s, f)],
      ['fork', (s, f) => isParked(s, f) !== undefined && !bytesEqual(isParked(s, f)!.hash, f.hash)],
      ['fork', (s, f) => f.number === s.next && !bytesEqual(f.previous, s.expectedPrevious)],
      ['fork', (s) => s.forked],
      ['replay', isGivenUp],
      ['parked-duplicate', (s, f) => isParked(s, f) !== undefined],
      ['gap', (s, f) => f.number > s.next],
      ['accept', () => true],
    ];
    let seen = 0;
    const kinds = new Set<string>();
    for (const epoch of [1, 2, 3]) {
      for (const forked of [false, true]) {
        for (const gaps of [
          [],
          [{ first: 2, last: 3 }],
          [
            { first: 1, last: 1 },
            { first: 3, last: 4 },
          ],
        ]) {
          for (const parkedNumbers of forked ? [[]] : [[], [6], [6, 7, 9]]) {
            const state: SequenceState = {
              epoch: 2,
              next: 5,
              expectedPrevious: bytesOf(4),
              forked,
              gaps,
              parked: parkedNumbers.map((n) => parkedFrame(n)),
            };
            for (let number = 1; number <= 10; number++) {
              for (const previous of [number - 1, 0xee]) {
                for (const own of [number, 0xef]) {
                  const given = { epoch, number, previous: bytesOf(previous), hash: bytesOf(own) };
                  const expected = rows.find(([, fits]) => fits(state, given))![0];
                  const { kind } = decideSequence(state, given);
                  if (kind !== expected)
                    expect.fail(`expected ${expected}, got ${kind} for ${JSON.stringify({ state, given })}`);
                  kinds.add(kind);
                  seen++;
                }
              }
            }
          }
        }
      }
    }
    expect(seen).toBe(3 * 3 * (3 + 1) * 10 * 4);
    expect([...kinds].sort()).toEqual(['accept', 'fork', 'gap', 'parked-duplicate', 'replay', 'wrong-epoch']);
  });

  it('is a fork when only the last byte of its previous is wrong', () => {
    const wrong = { ...frame(4), previous: bytesOf(3).with(31, 0) };
    expect(decideSequence(accepted(3), wrong)).toEqual({ kind: 'fork', evidence: true });
  });

  it('is evidence once an epoch', () => {
    const forked = markForked(accepted(3));
    expect(decideSequence(forked, frame(4))).toEqual({ kind: 'fork', evidence: false });
    expect(decideSequence(forked, frame(2))).toEqual({ kind: 'fork', evidence: false });
    expect(decideSequence(forked, frame(9))).toEqual({ kind: 'fork', evidence: false });
  });

  it.each([
    [1, true],
    [499, true],
    [500, false],
  ])('is a gap behind %i parked ones, kept: %s', (count, isKept) => {
    let state = accepted(1);
    for (let i = 0; i < count; i++)
      state = park(state, { number: 3 + i, hash: bytesOf(1), previous: bytesOf(2), receivedS: i });
    expect(decideSequence(state, { epoch: 1, number: 5000, previous: bytesOf(0), hash: bytesOf(9) })).toEqual({
      kind: 'gap',
      park: isKept,
      firstMissing: 2,
    });
    expect(decideSequence(state, { epoch: 1, number: 3, previous: bytesOf(2), hash: bytesOf(1) })).toEqual({
      kind: 'parked-duplicate',
      firstMissing: 2,
    });
  });

  it('may have the largest number there is', () => {
    const last = Number.MAX_SAFE_INTEGER;
    const state = { ...fresh, next: last, expectedPrevious: bytesOf(1) };
    const given = { epoch: 1, number: last, previous: bytesOf(1), hash: bytesOf(2) };
    expect(decideSequence(state, given)).toEqual({ kind: 'accept' });
    expect(decideSequence(advance(state, given), { ...given, hash: bytesOf(3) }).kind).toBe('fork');
  });
});

/** What a ledger does with the decisions, over one kid: enough to see that the pieces fit together. */
class Ledger {
  state = fresh;
  readonly accepted: number[] = [];

  receive(given: SequencedFrame, receivedS = 1000): string {
    // Row 0: the bytes of an accepted frame.
    if (this.accepted.includes(given.number) && bytesEqual(given.hash, bytesOf(given.number))) return 'duplicate';
    const decision = decideSequence(this.state, given);
    if (decision.kind === 'accept') this.#accept(given);
    if (decision.kind === 'gap' && decision.park) this.state = park(this.state, { ...given, receivedS });
    if (decision.kind === 'fork') this.state = markForked(this.state);
    return decision.kind;
  }

  close(claim: GapClaim): void {
    this.state = applyGap(this.state, claim);
    this.#drain();
  }

  #accept(given: { number: number; hash: Uint8Array }): void {
    this.state = advance(this.state, given);
    this.accepted.push(given.number);
    this.#drain();
  }

  #drain(): void {
    const ready = nextParked(this.state);
    if (ready === undefined) return;
    const kind = decideSequence(this.state, { ...ready, epoch: this.state.epoch }).kind;
    if (kind === 'accept') this.#accept(ready);
    else this.state = markForked(this.state);
  }
}

describe('frames in any order', () => {
  it('are accepted once each and in order, whatever the broker repeats and shuffles', () => {
    const shuffled = fc.integer({ min: 1, max: 40 }).chain((count) =>
      fc.tuple(
        fc.constant(count),
        fc.array(fc.integer({ min: 1, max: count }), { maxLength: 60 }),
        fc.shuffledSubarray(
          Array.from({ length: count }, (_, i) => i + 1),
          { minLength: count },
        ),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([count, extra, all]) => {
        const ledger = new Ledger();
        for (const number of [...extra, ...all]) ledger.receive(frame(number));
        expect(ledger.accepted).toEqual(Array.from({ length: count }, (_, i) => i + 1));
        expect(ledger.state).toEqual(accepted(count));
      }),
    );
  });

  it('keep the second in which they first came', () => {
    const state = park(park(accepted(1), parkedFrame(4, 2000)), parkedFrame(3, 3000));
    expect(state.parked.map(({ number, receivedS }) => [number, receivedS])).toEqual([
      [3, 3000],
      [4, 2000],
    ]);
    expect(nextParked(state)).toBeUndefined();
    expect(nextParked(advance(state, frame(2)))).toEqual(parkedFrame(3, 3000));
  });

  it('lose all parked ones of the epoch to a fork', () => {
    const ledger = new Ledger();
    for (const number of [1, 4, 5]) ledger.receive(frame(number));
    expect(ledger.receive({ ...frame(4), hash: bytesOf(0xee) })).toBe('fork');
    expect(ledger.state.parked).toEqual([]);
    expect(ledger.receive(frame(2))).toBe('fork');
    expect(ledger.accepted).toEqual([1]);
  });

  it('fork when a parked one, at its turn, does not follow', () => {
    const ledger = new Ledger();
    ledger.receive({ ...frame(2), previous: bytesOf(0xee) });
    expect(ledger.receive(frame(1))).toBe('accept');
    expect(ledger.accepted).toEqual([1]);
    expect(ledger.state.forked).toBe(true);
  });

  it('begin anew in an epoch that names its opening entry', () => {
    const ledger = new Ledger();
    for (const number of [1, 2, 5]) ledger.receive(frame(number));
    ledger.state = openEpoch(markForked(ledger.state), { epoch: 2, openingLeafHash: bytesOf(0xb0) });
    expect(ledger.state).toEqual({
      epoch: 2,
      next: 1,
      expectedPrevious: bytesOf(0xb0),
      forked: false,
      gaps: [],
      parked: [],
    });
    expect(decideSequence(ledger.state, frame(3)).kind).toBe('wrong-epoch');
    expect(decideSequence(ledger.state, frame(1, 3)).kind).toBe('wrong-epoch');
    expect(decideSequence(ledger.state, frame(1, 2)).kind).toBe('fork');
    expect(decideSequence(ledger.state, { ...frame(1, 2), previous: bytesOf(0xb0) }).kind).toBe('accept');
  });
});

describe('a gap', () => {
  const claim = (first: number, last: number, change: Partial<GapClaim> = {}): GapClaim => ({
    epoch: 1,
    first,
    last,
    expectedPrevious: bytesOf(first - 1),
    nextPrevious: bytesOf(last),
    ...change,
  });

  it('is closed by the ledger 48 h after the oldest parked frame came, not before', () => {
    const state = park(park(accepted(3), parkedFrame(9, 5000)), parkedFrame(7, 6000));
    expect(overdueGap(state, 5000 + GAP_DEADLINE_S - 1)).toBeUndefined();
    expect(overdueGap(state, 5000 + GAP_DEADLINE_S)).toEqual(claim(4, 6));
    expect(overdueGap(accepted(3), 10 ** 9)).toBeUndefined();
  });

  it('lets the chain go on behind it, and each further gap wait for its own deadline', () => {
    const ledger = new Ledger();
    for (const number of [1, 2, 3]) ledger.receive(frame(number));
    for (const [number, receivedS] of [
      [7, 1000],
      [8, 1000],
      [10, 9000],
    ] as const)
      ledger.receive(frame(number), receivedS);
    ledger.close(overdueGap(ledger.state, 1000 + GAP_DEADLINE_S)!);
    expect(ledger.accepted).toEqual([1, 2, 3, 7, 8]);
    expect(overdueGap(ledger.state, 1000 + GAP_DEADLINE_S)).toBeUndefined();
    expect(ledger.receive(frame(5))).toBe('replay');
    expect(ledger.receive({ ...frame(5), hash: bytesOf(0xee) })).toBe('replay');
    expect(ledger.receive(frame(7))).toBe('duplicate');
    ledger.close(overdueGap(ledger.state, 9000 + GAP_DEADLINE_S)!);
    expect(ledger.accepted).toEqual([1, 2, 3, 7, 8, 10]);
    expect(ledger.state.gaps).toEqual([
      { first: 4, last: 6 },
      { first: 9, last: 9 },
    ]);
    expect(ledger.receive(frame(9))).toBe('replay');
    expect(ledger.receive({ ...frame(8), hash: bytesOf(0xee) })).toBe('fork');
  });

  it('that a box declares needs no parked frame behind it', () => {
    const ledger = new Ledger();
    ledger.receive(frame(1));
    ledger.close(claim(2, 4));
    expect(ledger.receive(frame(5))).toBe('accept');
    expect(ledger.receive({ ...frame(6), previous: bytesOf(0xee) })).toBe('fork');
  });

  const waiting = park(accepted(3), parkedFrame(7));
  it.each([
    ['of another epoch', waiting, claim(4, 6, { epoch: 2 }), 'wrong-epoch'],
    ['of a forked epoch', markForked(waiting), claim(4, 6), 'fork'],
    ['that begins before the next number', waiting, claim(3, 6), 'replay'],
    ['that begins behind the next number', waiting, claim(5, 6), 'gap'],
    ['on another hash than the last accepted', waiting, claim(4, 6, { expectedPrevious: bytesOf(0xee) }), 'fork'],
    ['that gives up a parked frame', waiting, claim(4, 7), 'replay'],
    [
      'whose previous is not the one that the parked frame names',
      waiting,
      claim(4, 6, { nextPrevious: bytesOf(0xee) }),
      'fork',
    ],
    ['of some of the missing', waiting, claim(4, 5), 'accept'],
    ['of all the missing', waiting, claim(4, 6), 'accept'],
  ] as const)('%s is decided by the codes of frames', (_name, state, given, kind) => {
    expect(decideGap(state, given).kind).toBe(kind);
    if (kind === 'accept') expect(applyGap(state, given).next).toBe(given.last + 1);
    else expect(codeOf(() => applyGap(state, given))).toBe('bad-sequence');
  });

  it('is found among very many without walking through them', () => {
    const gaps = Array.from({ length: 100_000 }, (_, i) => ({ first: 10 * i + 2, last: 10 * i + 4 }));
    const state = { ...fresh, next: 1_000_001, gaps };
    for (const [number, kind] of [
      [1, 'fork'],
      [2, 'replay'],
      [4, 'replay'],
      [5, 'fork'],
      [500_003, 'replay'],
      [500_005, 'fork'],
      [999_994, 'replay'],
      [999_995, 'fork'],
    ] as const) {
      expect(decideSequence(state, { epoch: 1, number, previous: bytesOf(0), hash: bytesOf(0) }).kind).toBe(kind);
    }
  });
});

describe('a request for a new epoch', () => {
  it('names the open epoch as the old one', () => {
    expect(decideEpochRequest(accepted(3), { oldEpoch: 1, operatorSigned: false })).toEqual({
      kind: 'accept',
      epoch: 2,
    });
    expect(decideEpochRequest(accepted(3), { oldEpoch: 2, operatorSigned: true })).toEqual({ kind: 'wrong-epoch' });
  });

  it('wants the operator after a fork', () => {
    const forked = markForked(accepted(3));
    expect(decideEpochRequest(forked, { oldEpoch: 1, operatorSigned: false })).toEqual({ kind: 'fork' });
    expect(decideEpochRequest(forked, { oldEpoch: 1, operatorSigned: true })).toEqual({ kind: 'accept', epoch: 2 });
  });
});

describe('a step that was not decided', () => {
  it.each([
    ['accepting another number than the next', () => advance(accepted(3), frame(5))],
    ['accepting in a forked epoch', () => advance(markForked(accepted(3)), frame(4))],
    ['parking the next number', () => park(accepted(3), parkedFrame(4))],
    ['parking a number twice', () => park(park(accepted(3), parkedFrame(6)), parkedFrame(6))],
    ['parking in a forked epoch', () => park(markForked(accepted(3)), parkedFrame(6))],
    [
      'opening an epoch that is not the one behind',
      () => openEpoch(accepted(3), { epoch: 3, openingLeafHash: bytesOf(0) }),
    ],
    ['opening epoch 2 first', () => openEpoch(undefined, { epoch: 2, openingLeafHash: bytesOf(0) })],
    [
      'parking more than there is room for',
      () => {
        const parked = Array.from({ length: MAX_PARKED }, (_, i) => parkedFrame(10 + i));
        return park({ ...fresh, parked }, parkedFrame(5));
      },
    ],
  ])('%s is a broken invariant', (_name, step) => {
    expect(codeOf(step)).toBe('bad-sequence');
  });
});
