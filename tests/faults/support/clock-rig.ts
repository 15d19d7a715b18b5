/**
 * A real box and a real ledger in one process, each with a clock that a test may set wrong, and a true time that only the
 * test knows. Between them is a line that keeps what the ledger does not take, as a broker would.
 */
import { type FramePayload, parseFramePayload, parseSealed } from '@commonwatt/firmware-protocol';
import { MemoryDisk, openMemoryOutbox } from '../../../gateway/src/adapters/memory-outbox.js';
import { nodeHasher, nodeVerifier } from '../../../gateway/src/adapters/system/node-crypto.js';
import type { BrokerEvents, BrokerLink, OutMessage } from '../../../gateway/src/core/broker-link.js';
import { Gateway } from '../../../gateway/src/core/gateway.js';
import { meterConfig } from '../../../gateway/test/support/box.js';
import { FakeMeter, ManualClock, ManualTimers, settle } from '../../../gateway/test/support/fakes.js';
import { RealClock } from '../../../ledger-service/src/adapters/system/clock.js';
import { nodeCrypto } from '../../../ledger-service/src/adapters/system/node-crypto.js';
import { seedSigner } from '../../../ledger-service/src/adapters/system/node-signer.js';
import { LedgerError } from '../../../ledger-service/src/core/errors.js';
import { parseFrameContent } from '../../../ledger-service/src/core/records/index.js';
import type { CommunityLedger } from '../../../ledger-service/src/usecases/community-ledger.js';
import {
  CommunityReader,
  listIntervals,
  newestSettlement,
} from '../../../ledger-service/src/usecases/queries/index.js';
import { SubmitOnce } from '../../../ledger-service/src/usecases/submit-once.js';
import { INTERVAL_S, LedgerStreet, START_S } from '../../../ledger-service/test/support/ledger-street.js';

export const HOME = 'h1';
export { INTERVAL_S, START_S };

/** The street's keys are drawn from these bytes; the first home's comes after the ledger's own. */
const seedOf = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const STEP_MWH = 250_000n;
const OFFLINE_STEP_MS = 60_001;

export interface Booked {
  readonly startS: number;
  readonly needMwh: number;
}

export class ClockRig {
  /** What a perfect clock would show, UTC milliseconds. */
  trueMs = START_S * 1000 - 5_000;
  /** By how much the ledger's machine is wrong. */
  ledgerOffMs = 0;
  readonly boxClock = new ManualClock(START_S * 1000);
  readonly gateway: Gateway;
  readonly refused: string[] = [];
  readonly ledgerClock: RealClock;
  readonly #street: LedgerStreet;
  readonly #ledger: CommunityLedger;
  readonly #meter = new FakeMeter();
  readonly #timers = new ManualTimers();
  readonly #line: Line;

  private constructor(
    street: LedgerStreet,
    firstPrevious: Uint8Array,
    parts: { ledger: CommunityLedger; clock: RealClock; line: Line },
  ) {
    this.#street = street;
    this.#ledger = parts.ledger;
    this.ledgerClock = parts.clock;
    this.#line = parts.line;
    const meter = meterConfig(0, { id: `e-${HOME}` });
    this.gateway = new Gateway({
      config: {
        ...{ community: street.community, origin: street.origin, gateway: HOME, member: `m-${HOME}`, mqtt: '' },
        ...{ logKey: street.logKey, answerKey: seedSigner(seedOf(3)).publicKey, firstPrevious },
        ...{ intervalS: INTERVAL_S, pollS: 0, meters: [meter], clock: { source: 2, errorMs: 20 }, outboxLimit: 10_000 },
      },
      software: 'test',
      outbox: openMemoryOutbox(new MemoryDisk()),
      hadOutbox: false,
      broker: this.#line,
      linkOf: () => this.#meter,
      clock: this.boxClock,
      timers: this.#timers,
      signer: seedSigner(seedOf(10)),
      hasher: nodeHasher,
      verifier: nodeVerifier,
      random: () => 0.5,
      observer: {},
    });
  }

  static async build(): Promise<ClockRig> {
    const street = await LedgerStreet.build({ homes: [HOME] });
    let rig: ClockRig | undefined;
    const trueMs = () => rig?.trueMs ?? START_S * 1000 - 5_000;
    const clock = new RealClock(() => trueMs() + (rig?.ledgerOffMs ?? 0), trueMs);
    const keys = { log: seedSigner(seedOf(2)), answer: seedSigner(seedOf(3)) };
    const entries = new SubmitOnce({ store: street.store, clock, crypto: nodeCrypto(), keysOf: () => keys }, clock);
    const ledger = await entries.ledger.community(street.community);
    const line = new Line(ledger);
    rig = new ClockRig(street, await ledger.openingHash(street.kidOf(HOME)), { ledger, clock, line });
    rig.gateway.start();
    await line.connect();
    return rig;
  }

  /** True time moves to the n-th edge; the meter shows what it counted; the box reads it by its own clock. */
  async edge(n: number, boxOffMs = 0): Promise<void> {
    const edgeMs = (START_S + n * INTERVAL_S) * 1000;
    this.boxClock.uptimeMs += INTERVAL_S * 1000;
    this.boxClock.utcMs = edgeMs + boxOffMs;
    // A system clock says that it was never set when it shows a time before this program was written.
    this.boxClock.quality = { source: this.boxClock.utcMs < Date.UTC(2020, 0, 1) ? 0 : 2, errorMs: 20, ageS: 0 };
    this.#meter.values = [1_000_000n + BigInt(n) * STEP_MWH, 0n, 0n];
    this.trueMs = edgeMs + 2_000;
    const step = this.gateway.step();
    await this.#line.carry();
    await settle();
    await this.#timers.advance(OFFLINE_STEP_MS);
    await step;
    await this.tend();
  }

  /** What the pump does: messages that wait are offered again, and what is due is settled. */
  async tend(): Promise<void> {
    await this.#line.carry();
    await this.#attempt(() => this.#ledger.settleDue());
  }

  async moveOn(byMs: number): Promise<void> {
    this.trueMs += byMs;
    await this.tend();
  }

  /** Newest settlements of the home's meter, oldest interval first; intervals in which it took no part are left out. */
  async booked(): Promise<readonly Booked[]> {
    const reader = await CommunityReader.open(this.#street.store, this.#street.community);
    const { items } = await listIntervals(reader, {}, { limit: 1000 });
    const found: Booked[] = [];
    for (const { startS, version } of items) {
      if (version === 0) continue;
      const { newest } = await newestSettlement(reader, { startS, withLines: true });
      for (const { quality, needMwh } of newest.lines ?? []) if (quality < 4) found.push({ startS, needMwh });
    }
    return found;
  }

  async seals(): Promise<number> {
    return (await this.#ledger.rows()).get('community', '')!.sealNumber;
  }

  /** When the ledger said to have received each frame, by its number. */
  async received(): Promise<readonly number[]> {
    const reader = await CommunityReader.open(this.#street.store, this.#street.community);
    const { size } = await reader.communityRow();
    const indices = Array.from({ length: size }, (_, index) => ({ index, part: 0 }));
    const contents = await reader.openings(indices);
    return contents.flatMap((content) => {
      try {
        return content === undefined ? [] : [parseFrameContent(content).receivedS];
      } catch {
        // An opening of another kind.
        return [];
      }
    });
  }

  get frames(): readonly FramePayload[] {
    return this.#line.frames.map((message) => parseFramePayload(parseSealed(message).payload));
  }

  async #attempt(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== 'store') throw error;
      this.refused.push(error.message);
    }
  }
}

/** Frames and events in their order, each offered until the ledger has taken it. */
class Line implements BrokerLink {
  readonly frames: Uint8Array[] = [];
  framesPublished = 0;
  readonly #ledger: CommunityLedger;
  readonly #waiting: { leaf: string; message: Uint8Array }[] = [];
  #events: BrokerEvents | undefined;
  #isReady = false;

  constructor(ledger: CommunityLedger) {
    this.#ledger = ledger;
  }

  start(events: BrokerEvents): void {
    this.#events = events;
  }

  async connect(): Promise<void> {
    this.#isReady = true;
    this.#events?.onReady();
    await settle();
  }

  publish({ topic, payload }: OutMessage): boolean {
    if (!this.#isReady) return false;
    const leaf = topic.split('/').at(-1)!;
    if (leaf === 'frame' || leaf === 'event') this.#waiting.push({ leaf, message: payload.slice() });
    return true;
  }

  async carry(): Promise<void> {
    for (;;) {
      await settle();
      const next = this.#waiting[0];
      if (next === undefined) return;
      const { leaf, message } = next;
      try {
        const incoming = { message, gateway: HOME };
        const answers =
          leaf === 'frame'
            ? (await this.#ledger.ingestFrames([incoming])).answers
            : await this.#ledger.handleEvent(incoming);
        this.#waiting.shift();
        if (leaf === 'frame') this.frames.push(message);
        for (const { bytes } of answers) this.#events?.onMessage(`cw/1/sunny/${HOME}/answer`, bytes);
      } catch (error) {
        if (error instanceof LedgerError && error.code === 'store') return;
        throw error;
      }
    }
  }

  async stop(): Promise<void> {
    this.#isReady = false;
  }
}
