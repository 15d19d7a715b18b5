import { EpochReason, parseFramePayload, VERDICT, verdictName } from '@commonwatt/firmware-protocol';
import type { GatewayError } from '../errors.js';
import { Alarms } from './alarms.js';
import { type AnswerVerdict, judgeAnswer, LogHeads, type SequenceHint } from './answers.js';
import type { DialogueParts } from './dialogue-parts.js';
import { Epochs } from './epochs.js';
import type { Journal, SignedMessage } from './journal.js';
import { hashName, Pump } from './pump.js';
import { toSamplesAgain } from './seal.js';
import type { ConditionName } from './status.js';

/** Removals that nothing else carries are committed this long after an answer, in real milliseconds. */
const FLUSH_AFTER_MS = 1000;
/** Readings whose frames were refused for what stood in them are sealed again so often. */
const MAX_ATTEMPTS = 2;
/** Gap answers that name an accepted number are late ones; so many in a row are not. */
const MAX_LATE_GAPS = 3;
/** Anybody at the broker may send answers that are none: they are told so seldom, in real milliseconds. */
const BAD_ANSWER_PAUSE_MS = 60_000;
/** Hashes of answered messages that are remembered, to count answers that came twice. */
const MAX_RECENT = 256;

/** What the box says to the ledger and makes of its answers: which frames are done, which must be made anew, when to seal. */
export class Dialogue {
  readonly #parts: DialogueParts;
  readonly #alarms: Alarms;
  readonly #pump: Pump<SignedMessage>;
  readonly #epochs: Epochs;
  readonly #heads: LogHeads;
  readonly #recent = new Set<string>();
  readonly counts = { receipts: 0, duplicates: 0, refused: 0, ignored: 0 };
  /** The newest message went out again after the start; nothing is sealed before its answer: this may be an old image. */
  #confirmingId: number | undefined;
  #problem: { name: ConditionName; reason: string } | undefined;
  #flushIsDue = false;
  #lateGaps = 0;
  #badAnswerToldAtMs = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  constructor(parts: DialogueParts) {
    this.#parts = parts;
    this.#alarms = new Alarms(parts.timers, parts.onFailure);
    this.#heads = new LogHeads(parts.journal.state.checkpoint);
    this.#pump = new Pump({ ...parts, more: (afterId, limit) => this.#more(afterId, limit) });
    this.#epochs = new Epochs({ ...parts, pump: this.#pump, alarms: this.#alarms });
  }

  /** Messages of the outbox that are kept although they are answered. */
  get kept(): number {
    const { newest } = this.#parts.sealer;
    const isFrameKept = newest !== undefined && this.#parts.sealer.isKept(newest);
    return (this.#epochs.grantIsKept ? 1 : 0) + (isFrameKept ? 1 : 0);
  }

  get canSeal(): boolean {
    return this.#confirmingId === undefined && !this.#epochs.isAsking;
  }

  /** Whether readings came back from refused frames; true once. */
  takeReturned(): boolean {
    return this.#epochs.takeReturned();
  }

  /** Nothing is on the way and nothing stands in the way. */
  get isSettled(): boolean {
    return this.canSeal && !this.#epochs.hasReturned && this.#pump.size === 0 && !this.#pump.hasMore;
  }

  /** Whether waiting alone helps: what is refused now is refused in a minute too. */
  get isStuck(): boolean {
    return this.#problem !== undefined;
  }

  get condition(): { readonly name: ConditionName; readonly reason: string } {
    if (this.#problem !== undefined) return this.#problem;
    if (this.#epochs.isAsking) return { name: 'asking-epoch', reason: this.#epochs.reason };
    if (this.#confirmingId !== undefined) {
      return {
        name: 'confirming',
        reason: 'the newest message was sent again after the start and is not answered yet',
      };
    }
    return { name: 'ready', reason: '' };
  }

  /** PROTOCOL 7.3: takes up where the last process ended. */
  start(): void {
    if (this.#epochs.isAsking) {
      this.#epochs.resume();
      return;
    }
    const newest = this.#parts.sealer.newest ?? this.#parts.petitions.epochRequest;
    this.#confirmingId = newest?.id;
    this.#pump.restart(newest === undefined ? [] : [newest]);
  }

  stop(): void {
    this.#isStopped = true;
    this.#alarms.stop();
    this.#pump.stop();
    this.#parts.journal.flush();
  }

  ready(): void {
    this.#pump.ready();
  }

  lost(): void {
    this.#pump.lost();
  }

  /** What was just made goes out, in its order. */
  say(messages: readonly SignedMessage[]): void {
    for (const message of messages) this.#pump.offer(message);
    if (this.canSeal && this.#parts.sealer.newest !== undefined) this.#epochs.dropGrant();
  }

  /** Untrusted: an answer as the broker brought it. Never throws. */
  hear(bytes: Uint8Array): void {
    if (this.#isStopped) return;
    try {
      this.#act(judgeAnswer(bytes, { ...this.#parts, heads: this.#heads, find: (hash) => this.#find(hash) }));
    } catch (error) {
      this.#parts.onFailure(error);
    }
    this.#parts.onProgress();
  }

  #find(hash: Uint8Array): SignedMessage | undefined {
    const item = this.#pump.find(hash);
    if (item === undefined && this.#recent.has(hashName(hash))) this.counts.duplicates++;
    return item;
  }

  #act(verdict: AnswerVerdict): void {
    switch (verdict.kind) {
      case 'ignored':
        this.counts.ignored++;
        if (verdict.failure !== undefined) this.#tellBadAnswer(verdict.failure);
        return;
      case 'contradiction':
        this.#problem = { name: 'log-contradiction', reason: `two different logs of size ${verdict.size} were proved` };
        return;
      case 'receipt':
        this.#onReceipt(verdict);
        return;
      case 'grant':
        this.#onGrant(verdict);
        return;
      case 'refusal':
        this.#onRefusal(verdict);
        return;
    }
  }

  #tellBadAnswer({ code, message }: GatewayError): void {
    const nowMs = this.#parts.timers.nowMs();
    if (nowMs - this.#badAnswerToldAtMs < BAD_ANSWER_PAUSE_MS) return;
    this.#badAnswerToldAtMs = nowMs;
    this.#parts.onNote(`${code}: ${message}`);
  }

  #onReceipt({ item, receivedS, hint }: AnswerVerdict & { kind: 'receipt' }): void {
    const { journal, sealer } = this.#parts;
    const { state } = journal;
    this.counts.receipts++;
    this.#lateGaps = 0;
    this.#epochs.frameAccepted();
    this.#clearProblem();
    sealer.answered(item);
    const isNewer = item.epoch === state.epoch && item.number > (state.accepted?.number ?? 0);
    this.#deferState({
      lastReceiptS: Math.max(receivedS, state.lastReceiptS ?? 0),
      ...(isNewer && { accepted: { number: item.number, hash: item.hash } }),
    });
    this.#settle(item);
    if (this.#confirmingId === item.id) this.#onConfirmed(hint);
  }

  #onGrant({ item, epoch, leafHash, hint }: AnswerVerdict & { kind: 'grant' }): void {
    const { journal } = this.#parts;
    this.#clearProblem();
    this.#deferState({});
    if (item.kind === 'epoch') {
      if (epoch !== undefined && epoch > journal.state.epoch) this.#epochs.open(epoch, leafHash);
      this.#settle(item);
      if (this.#confirmingId === item.id) this.#onConfirmed(hint);
      return;
    }
    journal.defer({ answered: item });
    this.#settle(item);
  }

  /** The ledger knows the newest message. If it knows more than the box, this is the image of an older box. */
  #onConfirmed({ next, openEpoch }: SequenceHint): void {
    const { state } = this.#parts.journal;
    this.#confirmingId = undefined;
    if (openEpoch !== undefined && openEpoch > state.epoch) this.#epochs.begin(EpochReason.oldImage, openEpoch);
    else if (next !== undefined && next > state.next) this.#epochs.begin(EpochReason.oldImage, state.epoch);
  }

  #onRefusal({ item, code, hint }: AnswerVerdict & { kind: 'refusal' }): void {
    const isGap = code === VERDICT.gap && item.kind === 'frame';
    if (!isGap) this.counts.refused++;
    if (isGap) this.#onGap(item, hint);
    else if (code === VERDICT['unknown-key'] || code === VERDICT['inactive-key']) {
      this.#waitFor(item, 'not-enrolled', `the ledger answered ${verdictName(code)} to this box's key`);
    } else if (item.kind === 'frame') this.#onFrameRefused(item, code, hint);
    else if (item.kind === 'epoch') this.#onEpochRefused(item, code, hint);
    else this.#onClaimRefused(item, code, hint);
  }

  /** A gap that the ledger does not see, or a counter event that it does not take: shelved, to be seen. */
  #onClaimRefused(item: SignedMessage, code: number, { openEpoch }: SequenceHint): void {
    const { journal } = this.#parts;
    const shelve = [{ message: item, code }];
    this.#settle(item);
    if (item.kind === 'gap' && code === VERDICT.fork) {
      this.#epochs.begin(EpochReason.refusedFrame, openEpoch ?? journal.state.epoch, { shelve });
    } else {
      journal.commit({ shelve });
    }
  }

  /** A refusal is final: the frame is shelved, its readings wait to be sealed again in a new epoch. */
  #onFrameRefused(item: SignedMessage, code: number, { openEpoch }: SequenceHint): void {
    const { journal } = this.#parts;
    const { state } = journal;
    const blames: readonly number[] = [VERDICT.malformed, VERDICT['bad-signature'], VERDICT['bad-payload']];
    const attempt = item.attempt + (blames.includes(code) ? 1 : 0);
    const samples = toSamplesAgain(parseFramePayload(item.payload), attempt);
    const givesUp = attempt > MAX_ATTEMPTS;
    const readings = samples.reduce((sum, { channels }) => sum + new Set(channels.map((c) => c.meterIndex)).size, 0);
    this.#epochs.begin(EpochReason.refusedFrame, openEpoch ?? state.epoch, {
      shelve: [{ message: item, code }],
      addSamples: givesUp ? [] : samples,
      state: { refused: state.refused + 1, lostReadings: state.lostReadings + (givesUp ? readings : 0) },
    });
  }

  #onEpochRefused(item: SignedMessage, code: number, { openEpoch }: SequenceHint): void {
    const name = verdictName(code) ?? String(code);
    if (code === VERDICT['wrong-epoch'] && openEpoch !== undefined && openEpoch !== item.epoch) {
      this.#epochs.begin(this.#parts.journal.state.asking?.reason ?? EpochReason.oldImage, openEpoch);
    } else if (code === VERDICT.fork) {
      this.#waitFor(item, 'forked', `epoch ${item.epoch} has forked: two messages stand under one number`);
    } else {
      this.#waitFor(item, 'request-refused', `the ledger answered ${name} to the request for a new epoch`);
    }
  }

  #onGap(item: SignedMessage, { next }: SequenceHint): void {
    const { journal, petitions } = this.#parts;
    const { epoch, accepted } = journal.state;
    // It waits for an earlier frame: so the ledger knows no later one than this box.
    if (this.#confirmingId === item.id) this.#confirmingId = undefined;
    if (next === undefined || next >= item.number || item.epoch !== epoch) return;
    const missing = this.#pump.findFrame(epoch, next) ?? journal.frame(epoch, next);
    if (missing !== undefined) {
      this.#pump.repeat(missing);
      return;
    }
    if (accepted !== undefined && accepted.number >= next && ++this.#lateGaps <= MAX_LATE_GAPS) return;
    const request = petitions.declareGap(next);
    if (request === undefined) this.#epochs.begin(EpochReason.lostState, epoch);
    else if (this.#pump.find(request.hash) === undefined) this.#pump.offer(request);
  }

  #waitFor(item: SignedMessage, name: ConditionName, reason: string): void {
    this.#problem = { name, reason };
    this.#pump.slowDown(item.hash);
  }

  #clearProblem(): void {
    if (this.#problem?.name !== 'log-contradiction') this.#problem = undefined;
  }

  #settle(item: SignedMessage): void {
    if (this.#recent.size >= MAX_RECENT) this.#recent.delete(this.#recent.values().next().value!);
    this.#recent.add(hashName(item.hash));
    this.#pump.settle(item.hash);
  }

  /** Frames of a closing epoch are held back; the granted request has had its answer. */
  #more(afterId: number, limit: number): SignedMessage[] {
    const { journal } = this.#parts;
    if (this.#epochs.isAsking) return journal.requests().filter((item) => item.id > afterId && this.#mayGoOut(item));
    const found: SignedMessage[] = [];
    for (let lastId = afterId; ; ) {
      const chunk = journal.more(lastId, limit);
      found.push(...chunk.filter((message) => !this.#isKept(message)));
      if (found.length > 0 || chunk.length === 0) return found;
      lastId = chunk.at(-1)!.id;
    }
  }

  /** While a new epoch is asked for. A request that was refused for its epoch is not repeated until the next one is due. */
  #mayGoOut({ kind, epoch }: SignedMessage): boolean {
    return kind === 'counter' || (kind === 'epoch' && epoch === this.#parts.journal.state.asking?.oldEpoch);
  }

  /** Kept although it is answered: the newest frame, and the grant of an epoch without frames. */
  #isKept(message: SignedMessage): boolean {
    return this.#parts.sealer.isKept(message) || isGrant(message, this.#parts.journal.state.epoch);
  }

  #deferState(state: Parameters<Journal['defer']>[0]['state']): void {
    const head = this.#heads.newest;
    this.#parts.journal.defer({ state: { ...state, ...(head !== undefined && { checkpoint: head }) } });
    if (this.#flushIsDue) return;
    this.#flushIsDue = true;
    this.#alarms.after(FLUSH_AFTER_MS, () => {
      this.#flushIsDue = false;
      this.#parts.journal.flush();
    });
  }
}

/** The request that opened the epoch, or an earlier one. */
function isGrant({ kind, epoch }: SignedMessage, openEpoch: number): boolean {
  return kind === 'epoch' && epoch < openEpoch;
}
