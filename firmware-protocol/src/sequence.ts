import { bytesEqual } from './bytes.js';
import { ProtocolError } from './errors.js';

/** Most frames kept for one kid while an earlier one is missing (PROTOCOL 6.3). */
export const MAX_PARKED = 500;
/** A gap is closed by the ledger this long after the oldest parked frame came, in seconds (PROTOCOL 6.4). */
export const GAP_DEADLINE_S = 48 * 3600;

/** What of a frame the sequence looks at. */
export interface SequencedFrame {
  readonly epoch: number;
  readonly number: number;
  readonly previous: Uint8Array;
  /** SHA-256 of the complete message. */
  readonly hash: Uint8Array;
}

/** A frame that waits for earlier ones. */
export interface ParkedFrame {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly previous: Uint8Array;
  /** The second its bytes first came: kept when it is accepted later. */
  readonly receivedS: number;
}

/** Numbers that were given up, `first` to `last`, both included. */
export interface ClosedGap {
  readonly first: number;
  readonly last: number;
}

/** The claim of a gap entry (PROTOCOL 6.4). */
export interface GapClaim extends ClosedGap {
  readonly epoch: number;
  /** What the first missing frame's previous had to be. */
  readonly expectedPrevious: Uint8Array;
  /** The previous that the frame behind the gap names. */
  readonly nextPrevious: Uint8Array;
}

/** Where the sequence of one kid stands, in its open epoch. A value: every step returns a new one. */
export interface SequenceState {
  readonly epoch: number;
  /** The number expected next. */
  readonly next: number;
  /** The hash that the next frame must name. */
  readonly expectedPrevious: Uint8Array;
  readonly forked: boolean;
  /** Rising, none overlapping. */
  readonly gaps: readonly ClosedGap[];
  /** Rising by number, at most MAX_PARKED. */
  readonly parked: readonly ParkedFrame[];
}

export type SequenceDecision =
  | { readonly kind: 'accept' }
  | { readonly kind: 'wrong-epoch' }
  /** `evidence`: this one is the first of the epoch, so it goes into the log. */
  | { readonly kind: 'fork'; readonly evidence: boolean }
  | { readonly kind: 'replay' }
  /** `park`: there is room to keep it. */
  | { readonly kind: 'gap'; readonly park: boolean; readonly firstMissing: number }
  | { readonly kind: 'parked-duplicate'; readonly firstMissing: number };

/**
 * Decides on a frame by its place in the sequence: rows 6 to 9 of PROTOCOL 5.1, in their order. The bytes of accepted
 * frames were answered before (row 0), so a frame with a number that was accepted brings other bytes.
 */
export function decideSequence(state: SequenceState, frame: SequencedFrame): SequenceDecision {
  if (frame.epoch !== state.epoch) return { kind: 'wrong-epoch' };
  if (state.forked) return { kind: 'fork', evidence: false };
  if (frame.number < state.next) {
    return isInGap(state.gaps, frame.number) ? { kind: 'replay' } : { kind: 'fork', evidence: true };
  }
  if (frame.number === state.next) {
    const follows = bytesEqual(frame.previous, state.expectedPrevious);
    return follows ? { kind: 'accept' } : { kind: 'fork', evidence: true };
  }
  const parked = state.parked.find((other) => other.number === frame.number);
  if (parked === undefined) {
    return { kind: 'gap', park: state.parked.length < MAX_PARKED, firstMissing: state.next };
  }
  if (!bytesEqual(parked.hash, frame.hash)) return { kind: 'fork', evidence: true };
  return { kind: 'parked-duplicate', firstMissing: state.next };
}

/** Gaps rise, so halve: a kid may have many in a life. */
function isInGap(gaps: readonly ClosedGap[], number: number): boolean {
  let from = 0;
  let to = gaps.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (gaps[middle]!.last < number) from = middle + 1;
    else to = middle;
  }
  const gap = gaps[from];
  return gap !== undefined && gap.first <= number;
}

/** A fresh epoch, at number 1, which must name the leaf hash of the entry that opened it. Parked frames of the old one are gone. */
export function openEpoch(
  state: SequenceState | undefined,
  opening: { readonly epoch: number; readonly openingLeafHash: Uint8Array },
): SequenceState {
  const expected = state === undefined ? 1 : state.epoch + 1;
  if (opening.epoch !== expected) throw broken('epoch', expected, opening.epoch);
  return {
    epoch: opening.epoch,
    next: 1,
    expectedPrevious: opening.openingLeafHash,
    forked: false,
    gaps: [],
    parked: [],
  };
}

/** The state after the next frame was accepted. Throws `bad-sequence` for another number than the next. */
export function advance(
  state: SequenceState,
  frame: { readonly number: number; readonly hash: Uint8Array },
): SequenceState {
  if (frame.number !== state.next || state.forked) throw broken('accepted number', state.next, frame.number);
  return {
    ...state,
    next: frame.number + 1,
    expectedPrevious: frame.hash,
    parked: dropUpTo(state.parked, frame.number),
  };
}

/** The state with a frame kept for later. Throws `bad-sequence` unless `decideSequence` said `gap` with room. */
export function park(state: SequenceState, frame: ParkedFrame): SequenceState {
  const isFree = frame.number > state.next && state.parked.every((other) => other.number !== frame.number);
  if (!isFree || state.forked || state.parked.length >= MAX_PARKED) {
    throw new ProtocolError(
      'bad-sequence',
      `parking: expected a free number above ${state.next} and room, got ${frame.number} beside ${state.parked.length}`,
    );
  }
  const behind = state.parked.findIndex((other) => other.number > frame.number);
  const at = behind === -1 ? state.parked.length : behind;
  return { ...state, parked: state.parked.toSpliced(at, 0, frame) };
}

/** The parked frame whose turn has come, to be decided again; undefined while it is still missing. */
export function nextParked(state: SequenceState): ParkedFrame | undefined {
  const first = state.parked[0];
  return first?.number === state.next ? first : undefined;
}

/** The state after a fork: nothing is accepted any more in this epoch, and its parked frames are dropped. */
export function markForked(state: SequenceState): SequenceState {
  return { ...state, forked: true, parked: [] };
}

export type GapDecision =
  | { readonly kind: 'accept' }
  | { readonly kind: 'wrong-epoch' }
  | { readonly kind: 'fork' }
  | { readonly kind: 'replay' }
  | { readonly kind: 'gap'; readonly firstMissing: number };

/**
 * Decides on a gap that a box declares, by the same codes as a frame (PROTOCOL 6.4): it must begin at the number expected
 * next, on the hash expected next, and must not give up a frame that is parked, nor name another previous than the parked
 * frame behind it.
 */
export function decideGap(state: SequenceState, claim: GapClaim): GapDecision {
  if (claim.epoch !== state.epoch) return { kind: 'wrong-epoch' };
  if (state.forked) return { kind: 'fork' };
  if (claim.first < state.next) return { kind: 'replay' };
  if (claim.first > state.next) return { kind: 'gap', firstMissing: state.next };
  if (!bytesEqual(claim.expectedPrevious, state.expectedPrevious)) return { kind: 'fork' };
  const parked = state.parked[0];
  if (parked !== undefined && parked.number <= claim.last) return { kind: 'replay' };
  const behind = parked?.number === claim.last + 1 ? parked : undefined;
  if (behind !== undefined && !bytesEqual(behind.previous, claim.nextPrevious)) return { kind: 'fork' };
  return { kind: 'accept' };
}

/**
 * The gap that the ledger itself has to close now: the numbers before the first parked frame, once the oldest parked frame
 * has waited for GAP_DEADLINE_S. `nowS` in UTC seconds.
 */
export function overdueGap(state: SequenceState, nowS: number): GapClaim | undefined {
  const behind = state.parked[0];
  if (behind === undefined || behind.number === state.next) return undefined;
  const oldestS = state.parked.reduce((oldest, frame) => Math.min(oldest, frame.receivedS), behind.receivedS);
  if (nowS - oldestS < GAP_DEADLINE_S) return undefined;
  return {
    epoch: state.epoch,
    first: state.next,
    last: behind.number - 1,
    expectedPrevious: state.expectedPrevious,
    nextPrevious: behind.previous,
  };
}

/** The state behind a closed gap: the chain goes on at `last` + 1 on the hash the claim names. Throws `bad-sequence`. */
export function applyGap(state: SequenceState, claim: GapClaim): SequenceState {
  const decision = decideGap(state, claim);
  if (decision.kind !== 'accept') {
    throw new ProtocolError(
      'bad-sequence',
      `gap ${claim.first} to ${claim.last}: expected one that fits at ${state.next}, got ${decision.kind}`,
    );
  }
  const gap = { first: claim.first, last: claim.last };
  return { ...state, next: claim.last + 1, expectedPrevious: claim.nextPrevious, gaps: [...state.gaps, gap] };
}

export type EpochDecision =
  | { readonly kind: 'accept'; readonly epoch: number }
  | { readonly kind: 'wrong-epoch' }
  /** The old epoch forked: the operator has to sign the new one too. */
  | { readonly kind: 'fork' };

/** Decides on a request for a new epoch: it names the open one as the old one (PROTOCOL 6.5). */
export function decideEpochRequest(
  state: SequenceState,
  request: { readonly oldEpoch: number; readonly operatorSigned: boolean },
): EpochDecision {
  if (request.oldEpoch !== state.epoch) return { kind: 'wrong-epoch' };
  if (state.forked && !request.operatorSigned) return { kind: 'fork' };
  return { kind: 'accept', epoch: state.epoch + 1 };
}

function dropUpTo(parked: readonly ParkedFrame[], number: number): readonly ParkedFrame[] {
  const first = parked[0];
  return first === undefined || first.number > number ? parked : parked.filter((frame) => frame.number > number);
}

function broken(what: string, expected: number, got: number): ProtocolError {
  return new ProtocolError('bad-sequence', `${what}: expected ${expected}, got ${got}`);
}
