/** Years of a street in seconds: whatever happens in whatever order, state is a fold of the log, and every proof holds. */
import {
  CounterCause,
  encodeCounterEvent,
  encodeEpochRequest,
  encodeGapRequest,
  keyId,
  parseAnswerMessage,
  parseSignedAnswer,
  toHex,
  verifyGrant,
  verifyReceipt,
} from '@commonwatt/firmware-protocol';
import { KIND } from '@commonwatt/firmware-protocol/log';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../src/adapters/store/memory-store.js';
import { LedgerError } from '../src/core/errors.js';
import {
  encodeDeviceFields,
  encodeDeviceRevokedFields,
  encodeEpochApprovalFields,
  encodeRulesFields,
  parseLeaf,
} from '../src/core/records/index.js';
import type { OutgoingAnswer } from '../src/usecases/community-ledger.js';
import type { CommitBatch } from '../src/usecases/ports.js';
import { rebuild } from '../src/usecases/rebuild.js';
import { Box, type BoxSample, CommunityWorld, seedOf, signerOf, testCrypto } from './support/community-world.js';

const START_S = 1_760_000_400;
const HOMES = ['sun', 'kettle', 'shop'] as const;

class ShakyStore extends MemoryStore {
  fault: 'none' | 'before' | 'after' = 'none';

  override async commit(community: string, batch: CommitBatch): Promise<'applied' | 'conflict'> {
    const { fault } = this;
    this.fault = 'none';
    if (fault === 'before') throw new LedgerError('store', 'the disk is full');
    const outcome = await super.commit(community, batch);
    if (fault === 'after') throw new LedgerError('store', 'the line was cut after the commit');
    return outcome;
  }
}

/** A home as its box sees it. */
interface Home {
  readonly id: string;
  box: Box;
  generation: number;
  keys: number;
  values: number[];
  /** Every message that was ever sealed, by whichever box. */
  readonly sealed: Uint8Array[];
}

/** One thing that happens: what, to whom, and two numbers to choose with. */
type Happening = readonly [string, number, number, number];

class Life {
  readonly store = new ShakyStore();
  readonly #sent = new Map<string, Uint8Array>();
  readonly #homes: Home[] = [];
  world!: CommunityWorld;
  nowS = START_S;
  receipts = 0;
  days = new Set<number>();

  static async begin(netting: 0 | 1 | 2): Promise<Life> {
    const life = new Life();
    life.world = await CommunityWorld.create({
      store: life.store,
      startS: START_S,
      rules: { netting, levyBasisPoints: 33 },
      settings: { graceS: 7200 },
    });
    for (const id of HOMES) {
      const box = await life.world.addHome(id, { limitW: 20_000 });
      life.#homes.push({ id, box, generation: 1, keys: 1, values: [0, 0], sealed: [] });
    }
    return life;
  }

  async happen([what, who, a, b]: Happening): Promise<void> {
    const home = this.#homes[who % HOMES.length]!;
    try {
      await this.#do(what, home, a, b);
    } catch (error) {
      // A refusal of the operator's entry and a store that failed are part of life; all else is not.
      const isLife = error instanceof LedgerError && error.code !== 'invariant' && error.code !== 'money-range';
      if (!isLife) throw error;
    }
  }

  async #do(what: string, home: Home, a: number, b: number): Promise<void> {
    const ledger = await this.world.own();
    switch (what) {
      case 'quarter':
        return this.#quarter(a, b);
      case 'seal':
        return this.#seal(home, a, b);
      case 'send':
        return this.#send(
          home,
          Array.from({ length: (a % 4) + 1 }, (_, i) => home.sealed[(b + i) % home.sealed.length]),
        );
      case 'bend':
        return this.#send(home, [bent(home.sealed[a % home.sealed.length], b)]);
      case 'fork': {
        const payload = home.box.payload([{ timeS: this.nowS, values: [b, a] }]);
        return this.#send(home, [home.box.sealPayload({ ...payload, number: (a % home.box.number) + 1 })]);
      }
      case 'counter':
        return this.#counter(home, a, b);
      case 'gap':
        return this.#gap(home);
      case 'epoch':
        return this.#epoch(home);
      case 'approve':
        return this.#approve();
      case 'replace':
        return this.#replace(home);
      case 'list':
        return this.#list(home, a);
      case 'rules':
        return this.#rules(a, b);
      case 'settle':
        return this.#answers((await ledger.settleDue()).answers);
      case 'wait':
        return this.#wait((a % 48) * 900 + (b % 900));
      case 'clock-back':
        return this.#wait(-(a % 3600));
      case 'restart':
        this.world = this.world.reopened();
        return;
      case 'disk':
        this.store.fault = a % 2 === 0 ? 'before' : 'after';
    }
  }

  /** A quarter of an hour goes by; all boxes read, and most of what they seal arrives. */
  async #quarter(a: number, b: number): Promise<void> {
    this.#wait(900 - (this.nowS % 900));
    for (const [i, home] of this.#homes.entries()) {
      this.#seal(home, 0, b + i);
      if ((a >> i) % 8 !== 0) await this.#send(home, home.sealed.slice(-1 - ((a >> i) % 3)));
    }
    if (a % 4 !== 0) this.#answers((await (await this.world.own()).settleDue()).answers);
  }

  #wait(seconds: number): void {
    this.nowS = Math.max(START_S, this.nowS + seconds);
    this.world.clock.setS(this.nowS);
  }

  #seal(home: Home, a: number, b: number): void {
    const samples: BoxSample[] = [];
    for (let i = 0; i <= a % 3; i++) {
      home.values = home.values.map((value, c) => value + ((b * (c + 3) + i) % 2_000_000));
      if (b % 17 === 0) home.values = home.values.map((value) => Math.floor(value / 2));
      const edgeS = Math.floor(this.nowS / 900) * 900;
      samples.push({ timeS: edgeS + i * 450 + (a % 5 === 0 ? 30 : 0), values: home.values });
    }
    const rising = samples.every(({ values }, i) => i === 0 || values.every((v, c) => v >= samples[i - 1]!.values[c]!));
    home.sealed.push(home.box.seal(rising ? samples : samples.slice(-1)));
  }

  async #send(home: Home, messages: readonly (Uint8Array | undefined)[]): Promise<void> {
    const list = messages.filter((message) => message !== undefined);
    for (const message of list) this.#sent.set(toHex(testCrypto.hasher.sha256(message)), message);
    const ledger = await this.world.own();
    const { answers } = await ledger.ingestFrames(list.map((message) => ({ message, gateway: home.id })));
    this.days.add(Math.floor(this.nowS / 86_400));
    this.#answers(answers);
  }

  async #ask(home: Home, message: Uint8Array): Promise<void> {
    this.#sent.set(toHex(testCrypto.hasher.sha256(message)), message);
    this.#answers(await (await this.world.own()).handleEvent({ message, gateway: home.id }));
  }

  /** Every receipt and grant proves itself, whenever it comes. */
  #answers(answers: readonly OutgoingAnswer[]): void {
    const { hasher, verifier } = testCrypto;
    const { origin, log, answer: answerSigner } = this.world;
    for (const { bytes } of answers) {
      const opened = parseAnswerMessage(bytes);
      if (opened.kind === 'signed') {
        parseSignedAnswer({ bytes, origin, answerKey: answerSigner.publicKey, verifier });
        continue;
      }
      const { answer } = opened;
      const message = this.#sent.get(toHex(answer.messageHash))!;
      const input = { message, origin, logKey: log.publicKey, hasher, verifier };
      if (opened.kind === 'receipt') verifyReceipt({ answer, ...input });
      else verifyGrant({ answer, ...input });
      this.receipts += 1;
    }
  }

  async #counter(home: Home, a: number, b: number): Promise<void> {
    const event = {
      meter: `${home.id}-m`,
      generation: home.generation + 1,
      cause: a % 2 === 0 ? CounterCause.reset : CounterCause.replacement,
      channels: [1, 2].map((quantity) => ({ quantity: quantity as 1 | 2, last: 10n, first: BigInt(b % 20) })),
      fromS: Math.max(0, this.nowS - (b % 7200)),
    };
    await this.#ask(home, home.box.sealBytes(encodeCounterEvent(event), 'counter-event/v1'));
    home.generation = (await (await this.world.own()).rows()).get('meter', event.meter)!.generation;
  }

  /** What the box no longer has is given up, up to what it seals next. */
  async #gap({ box, id, ...home }: Home): Promise<void> {
    const { next, expectedPrevious, epoch } = await this.#sequence(box);
    if (next >= box.number || epoch !== box.epoch) return;
    const claim = {
      kid: box.kid,
      epoch,
      first: next,
      last: box.number - 1,
      expectedPrevious,
      nextPrevious: box.previous,
    };
    await this.#ask({ box, id, ...home }, box.sealBytes(encodeGapRequest(claim), 'gap-request/v1'));
  }

  async #epoch(home: Home): Promise<void> {
    const { box } = home;
    const { epoch } = await this.#sequence(box);
    const request = { kid: box.kid, oldEpoch: epoch, lastNumber: 0, lastHash: new Uint8Array(32), reason: 4 };
    await this.#ask(home, box.sealBytes(encodeEpochRequest(request), 'epoch-request/v1'));
    await this.#follow(home);
  }

  async #approve(): Promise<void> {
    const ledger = await this.world.own();
    const [pending] = await ledger.pendingEpochRequests();
    if (pending === undefined) return;
    const requestHash = testCrypto.hasher.sha256(pending.request);
    await this.#submit(4, (number) => encodeEpochApprovalFields({ number, requestHash }));
    await this.#follow(this.#homes.find(({ id }) => id === pending.home)!);
  }

  /** The box goes on in the epoch that is open. */
  async #follow({ box }: Home): Promise<void> {
    const { epoch, expectedPrevious, next } = await this.#sequence(box);
    if (epoch === box.epoch || next !== 1) return;
    box.epoch = epoch;
    box.number = 1;
    box.previous = expectedPrevious;
  }

  /** A new box in the same home, at the same meter. */
  async #replace(home: Home): Promise<void> {
    await this.#submit(3, (number) => encodeDeviceRevokedFields({ number, kid: home.box.kid }));
    await this.#enrol(home, `${home.id} ${++home.keys}`);
  }

  async #enrol(home: Home, name: string): Promise<void> {
    const signer = signerOf(seedOf(name));
    const kid = keyId(testCrypto.hasher, signer.publicKey);
    const meters = await this.#meters(home);
    const device = { kid, key: signer.publicKey, home: home.id, member: home.id, meters };
    await this.#submit(2, (number) => encodeDeviceFields(testCrypto.hasher, { number, ...device }));
    const previous = await (await this.world.own()).openingHash(toHex(kid));
    home.box = new Box({ home: home.id, origin: this.world.origin, signer, kid, quantities: [1, 2], previous });
  }

  async #list(home: Home, a: number): Promise<void> {
    const meters = a % 3 === 0 ? [] : await this.#meters(home);
    const { kid, signer } = home.box;
    const device = { kid, key: signer.publicKey, home: home.id, member: home.id, meters };
    await this.#submit(2, (number) => encodeDeviceFields(testCrypto.hasher, { number, ...device }));
  }

  async #meters({ id }: Home) {
    const row = (await (await this.world.own()).rows()).get('meter', `${id}-m`)!;
    return [{ index: 0, id: `${id}-m`, generation: row.generation, channels: row.channels }];
  }

  async #rules(a: number, b: number): Promise<void> {
    const settings = {
      netting: (a % 3) as 0 | 1 | 2,
      consumerRule: 1,
      producerRule: 1,
      priceMicroPerKwh: b,
      levyBasisPoints: a % 500,
    } as const;
    const firstIntervalS = (Math.floor(this.nowS / 900) + 1 + (a % 5)) * 900;
    await this.#submit(8, (number) => encodeRulesFields({ number, settings, firstIntervalS, text: 'from then on' }));
  }

  async #submit(kind: number, encode: (number: number) => Uint8Array): Promise<void> {
    const ledger = await this.world.own();
    const number = await ledger.nextNumber(toHex(this.world.operator.publicKey));
    await ledger.submit([{ kind, cose: this.world.signEntry(encode(number)) }]);
  }

  async #sequence({ kid }: Box) {
    return (await (await this.world.own()).rows()).get('sequence', toHex(kid))!.state;
  }

  /** The end of the story: everything is settled, and counted once more from the log alone. */
  async end(): Promise<void> {
    this.store.fault = 'none';
    this.#wait(10 * 86_400);
    const ledger = await this.world.own();
    this.#answers((await ledger.settleDue()).answers);
    const balances = (await ledger.rows()).all('balance').map(([, row]) => row);
    expect(balances.reduce((sum, { amountMicro }) => sum + amountMicro, 0n)).toBe(0n);
    expect(balances.reduce((sum, { energyMwh }) => sum + energyMwh, 0)).toBe(0);
    const { tables } = await rebuild({ store: this.store, community: 'sunny', crypto: testCrypto });
    expect(tables.filter(({ equal }) => !equal)).toEqual([]);
  }

  async kinds(): Promise<ReadonlyMap<number, number>> {
    const counts = new Map<number, number>();
    for (const { value } of await this.store.scan('sunny', 'leaf', { limit: 10_000 })) {
      const { kind } = parseLeaf(value as Uint8Array);
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    return counts;
  }
}

function bent(message: Uint8Array | undefined, at: number): Uint8Array | undefined {
  return message?.with(at % message.length, (message[at % message.length]! + 1) % 256);
}

const often = ['quarter', 'quarter', 'quarter', 'quarter', 'seal', 'send', 'settle', 'wait'];
const seldom = [
  'bend',
  'fork',
  'counter',
  'gap',
  'epoch',
  'epoch',
  'approve',
  'replace',
  'list',
  'rules',
  'clock-back',
];
const happenings = fc.array(
  fc.tuple(
    fc.constantFrom(...often, ...often, ...often, ...seldom, 'restart', 'disk'),
    fc.nat(2),
    fc.nat(1000),
    fc.nat(3_000_000),
  ),
  { minLength: 30, maxLength: 120 },
);

describe('a street', () => {
  it('keeps its books through everything that may happen', { timeout: 90_000 }, async () => {
    const seen = new Map<number, number>();
    let receipts = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(0 as const, 1 as const, 2 as const), happenings, async (netting, list) => {
        const life = await Life.begin(netting);
        for (const one of list) await life.happen(one);
        await life.end();
        receipts += life.receipts;
        for (const [kind, count] of await life.kinds()) seen.set(kind, (seen.get(kind) ?? 0) + count);
      }),
      { numRuns: 25 },
    );
    // Or nothing of it would have happened.
    expect(receipts).toBeGreaterThan(100);
    const { gatewayEpoch, counterEvent, gap, evidence, settlement, seal, deviceRevoked } = KIND;
    for (const kind of [gatewayEpoch, counterEvent, gap, evidence, settlement, seal, deviceRevoked]) {
      expect(seen.get(kind) ?? 0, `entries of kind ${kind}`).toBeGreaterThan(0);
    }
  });
});
