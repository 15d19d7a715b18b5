/** What one community's ledger does: take frames, hear requests, settle, take the operator's entries. One at a time. */
import { leafHash } from '@commonwatt/firmware-protocol/log';
import type { Decision } from '../core/decision.js';
import { rowsOfDue, rowsOfEnded } from '../core/due-intervals.js';
import { LedgerError } from '../core/errors.js';
import type { AnswerDraft } from '../core/ingest/answer-draft.js';
import { signedAs } from '../core/ingest/device-signature.js';
import { addRowsOfFresh, rowOfKnown, rowsOfReceipt } from '../core/ingest/frame-rows.js';
import { decideFrame } from '../core/ingest/frames.js';
import { closeOverdueGaps } from '../core/ingest/overdue-gaps.js';
import { type IncomingMessage, PreparedMessage, type SignedAs } from '../core/ingest/prepared-message.js';
import { decideRequest } from '../core/ingest/requests.js';
import { MissingRows } from '../core/needs.js';
import type { DeviceRow } from '../core/rows.js';
import { appendSeal, isSealDue } from '../core/seal.js';
import { type Settled, settleDue } from '../core/settle.js';
import { decideSubmitted, type SubmittedEntry } from '../core/submit.js';
import type { WorkingSet } from '../core/working-set.js';
import type { CommunitySession } from './community-session.js';
import { AnswerWriter, attachProofs, countOutcomes, type OutgoingAnswer, withinBudget } from './outgoing-answers.js';
import type { Clock, CommunityKeys, Crypto, LedgerStore, Pause, SignatureCheck } from './ports.js';

export type { OutgoingAnswer } from './outgoing-answers.js';

export interface IngestResult {
  readonly answers: readonly OutgoingAnswer[];
  /** Frames that entered the log now, those that had waited included. */
  readonly accepted: number;
  readonly duplicate: number;
  readonly refused: number;
  readonly parked: number;
  /** Answers that went to senders whom nobody enrolled: each cost a signature. */
  readonly toStrangers: number;
}

export interface SettleResult {
  /** Versions of settlements that were booked. */
  readonly versions: number;
  /** Starts of intervals that cannot be booked, since their money or energy fits no account. */
  readonly heldS: readonly number[];
  /** Receipts for frames that a closed gap let in. */
  readonly answers: readonly OutgoingAnswer[];
}

export interface PendingEpochRequest {
  /** Key id in hex. */
  readonly kid: string;
  readonly home: string;
  /** The device's COSE_Sign1, whole. */
  readonly request: Uint8Array;
}

/** The homes of these devices, as long as they are the same ones. */
interface EnrolledHomes {
  readonly devices: readonly (readonly [string, DeviceRow])[];
  readonly homes: ReadonlySet<string>;
}

/** Lines of settlements booked in one commit: bounds its memory. */
const LINES_A_COMMIT = 8_192;
/** At first, and while others come: bounds how long a fresh frame waits. As long as nobody does, shares double. */
const LINES_IN_BETWEEN = 4_096;

export class CommunityLedger {
  readonly id: string;
  readonly #session: CommunitySession;
  readonly #clock: Clock;
  readonly #crypto: Crypto;
  readonly #answers: AnswerWriter;
  readonly #pause: Pause;
  #last: Promise<unknown> = Promise.resolve();
  /** How often anybody has asked for a turn. */
  #turnsAsked = 0;
  #enrolled: EnrolledHomes = { devices: [], homes: new Set() };

  constructor(input: {
    session: CommunitySession;
    clock: Clock;
    crypto: Crypto;
    store: LedgerStore;
    keys: () => CommunityKeys;
    pause?: Pause;
  }) {
    this.id = input.session.community;
    this.#session = input.session;
    this.#clock = input.clock;
    this.#crypto = input.crypto;
    this.#answers = new AnswerWriter(input);
    this.#pause = input.pause ?? (() => Promise.resolve());
  }

  /**
   * One durable commit for all of them; the answers may go out when it resolves. At most `answersToStrangers` of them go
   * to senders whom nobody enrolled.
   */
  ingestFrames(frames: readonly IncomingMessage[], answersToStrangers = frames.length): Promise<IngestResult> {
    const nowS = this.#nowS();
    const prepared = frames.map((frame) => new PreparedMessage(this.#crypto.hasher, frame, nowS));
    // Begins before its turn: while one batch is decided on and committed, the next one's signatures are looked at.
    const verified = this.#verifyAhead(prepared);
    // Whether it failed is looked at in its turn.
    verified.catch(() => undefined);
    return this.#inTurn(async () => {
      await verified;
      await this.#prefetchFrames(prepared);
      const { verifier } = this.#crypto;
      const drafts = await this.#decide(nowS, (decision) => {
        const decided: AnswerDraft[] = [];
        for (const frame of prepared) decided.push(...decideFrame(decision, verifier, frame));
        return decided;
      });
      const { heard, toStrangers } = withinBudget(drafts, answersToStrangers);
      return { ...countOutcomes(drafts), toStrangers, answers: await this.#answers.writeAll(heard) };
    });
  }

  /** Whether a device was ever enrolled for this home; true as long as the rows are not in memory. */
  isEnrolled(home: string): boolean {
    const devices = this.#session.loadedRows()?.all('device');
    if (devices === undefined) return true;
    if (devices !== this.#enrolled.devices) {
      this.#enrolled = { devices, homes: new Set(devices.map(([, device]) => device.home)) };
    }
    return this.#enrolled.homes.has(home);
  }

  /** An epoch request, a gap request or a counter event. */
  handleEvent(event: IncomingMessage): Promise<readonly OutgoingAnswer[]> {
    return this.#inTurn(async () => {
      const nowS = this.#nowS();
      const prepared = new PreparedMessage(this.#crypto.hasher, event, nowS);
      return this.#answered(nowS, (decision) => decideRequest(decision, this.#crypto.verifier, prepared));
    });
  }

  /** Settles every interval that is due at the clock's now, and closes gaps whose time is over. */
  async settleDue(): Promise<SettleResult> {
    const nowS = this.#nowS();
    const answers = await this.#inTurn(() => this.#answered(nowS, (decision) => closeOverdueGaps(decision, nowS)));
    const heldS: number[] = [];
    let versions = 0;
    let afterS: number | undefined = -1;
    let lines = LINES_IN_BETWEEN;
    while (afterS !== undefined) {
      const asked = this.#turnsAsked;
      // A turn of its own for each share: frames that wait go in between, and an interval has one turn a call.
      const settled: Settled = await this.#inTurn(() => this.#settleShare(nowS, afterS as number, lines));
      versions += settled.versions;
      heldS.push(...settled.heldS);
      afterS = settled.untilS;
      // A store may answer without letting go of the process: frames that came meanwhile are read now.
      if (afterS !== undefined) await this.#pause();
      const isAlone = this.#turnsAsked === asked + 1;
      lines = isAlone ? Math.min(2 * lines, LINES_A_COMMIT) : LINES_IN_BETWEEN;
    }
    return { versions, heldS, answers };
  }

  async #settleShare(nowS: number, afterS: number, lines: number): Promise<Settled> {
    const rows = await this.#session.rows();
    const limit = Math.max(1, Math.floor(lines / Math.max(1, rows.all('meter').length)));
    const share = { limit, afterS };
    // First where each interval stands, then what its next version reads.
    await this.#session.prefetch(rowsOfEnded(rows, nowS, share));
    await this.#session.prefetch(rowsOfDue(rows, nowS, share));
    return this.#session.run({
      decide: sealing<Settled>(nowS, (decision) => settleDue(decision, nowS, share)),
      conclude: (_, settled) => settled,
    });
  }

  /** Entries that the operator signed, all or none. Returns their indices in the log. */
  submit(entries: readonly SubmittedEntry[]): Promise<{ indices: number[] }> {
    return this.#inTurn(async () => {
      const nowS = this.#nowS();
      const context = {
        verifier: this.#crypto.verifier,
        nowS,
        drawKey: () => this.#crypto.randomBytes(32),
      };
      const indices = await this.#session.run({
        decide: sealing<number[]>(nowS, (decision) =>
          entries.map((entry) => decideSubmitted(decision, entry, context)),
        ),
        conclude: (_, decided) => decided,
      });
      return { indices };
    });
  }

  /** The newest signed note. */
  checkpoint(): Promise<Uint8Array> {
    return this.#session.checkpoint();
  }

  /** Rows as they stand when all that came before is done; not to be changed. */
  rows(): Promise<WorkingSet> {
    return this.#inTurn(() => this.#session.rows());
  }

  /** The number that the next entry of this signer has to carry. */
  nextNumber(publicKeyHex: string): Promise<number> {
    return this.#inTurn(async () => {
      const rows = await this.#session.rows();
      return (rows.get('signer', publicKeyHex)?.lastNumber ?? 0) + 1;
    });
  }

  /** The hash that frame 1 of the open epoch names: that of the entry that opened it. */
  openingHash(kid: string): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      const row = (await this.#session.rows()).get('sequence', kid);
      if (row === undefined) throw new LedgerError('not-found', `no device ${kid}`);
      return leafHash(this.#crypto.hasher, await this.#answers.leafData(row.openingIndex));
    });
  }

  /**
   * What gateways ask for that have forked: of each the newest request for an epoch. The operator signs one by handing
   * `submit` an entry of kind 4 with the SHA-256 of the request.
   */
  pendingEpochRequests(): Promise<readonly PendingEpochRequest[]> {
    return this.#inTurn(async () => {
      const rows = await this.#session.rows();
      const requests = await this.#session.pendingRequests();
      return [...requests].map(([kid, request]) => ({ kid, home: rows.get('device', kid)!.home, request }));
    });
  }

  /** Verdicts for frames of keys that are enrolled now. A key that changes meanwhile gets its verdict when decided on. */
  async #verifyAhead(prepared: readonly PreparedMessage[]): Promise<void> {
    const { verifyMany } = this.#crypto;
    const rows = this.#session.loadedRows();
    const genesis = rows?.get('community', '')?.genesis;
    if (verifyMany === undefined || rows === undefined || genesis === undefined) return;
    const asked: PreparedMessage[] = [];
    const signed: SignedAs[] = [];
    const checks: SignatureCheck[] = [];
    for (const message of prepared) {
      const device = message.sealed && message.frame && rows.get('device', message.kid);
      if (device === undefined) continue;
      const as = signedAs(device, genesis, 'meter-frame/v1');
      asked.push(message);
      signed.push(as);
      const { publicKey } = as;
      checks.push({ publicKey, message: message.toBeSigned(as), signature: message.sealed!.signature });
    }
    const verdicts = await verifyMany(checks);
    asked.forEach((message, i) => {
      message.remember(signed[i]!, verdicts[i]!);
    });
  }

  /** Work on one community is done in the order it came. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#turnsAsked += 1;
    const turn = this.#last.then(work, work);
    this.#last = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  async #answered(
    nowS: number,
    decide: (decision: Decision) => readonly AnswerDraft[],
  ): Promise<readonly OutgoingAnswer[]> {
    return this.#answers.writeAll(await this.#decide(nowS, decide));
  }

  #decide(nowS: number, decide: (decision: Decision) => readonly AnswerDraft[]): Promise<readonly AnswerDraft[]> {
    return this.#session.run({ decide: sealing(nowS, decide), conclude: attachProofs });
  }

  /** In three reads what the frames will need: which are known, their openings, and what the others change. */
  async #prefetchFrames(prepared: readonly PreparedMessage[]): Promise<void> {
    const rows = await this.#session.rows();
    await this.#session.prefetch(prepared.flatMap((frame) => rowOfKnown(rows, frame)));
    await this.#session.prefetch(prepared.flatMap((frame) => rowsOfReceipt(rows, frame)));
    const missing = new MissingRows(rows);
    for (const frame of prepared) addRowsOfFresh(missing, rows, frame, this.#crypto.verifier);
    await this.#session.prefetch(missing.refs);
  }

  #nowS(): number {
    return Math.floor(this.#clock.nowMs() / 1000);
  }
}

/** A seal that is due is the last entry of the first commit there is: it covers what that commit brought too (LOG 7.1). */
function sealing<T>(nowS: number, decide: (decision: Decision) => T): (decision: Decision) => T {
  return (decision) => {
    const isDue = isSealDue(decision, nowS);
    const decided = decide(decision);
    if (isDue && decision.log.size > decision.expectedSize) appendSeal(decision);
    return decided;
  };
}
