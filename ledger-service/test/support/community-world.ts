/** A community for tests: its keys, its ledger over any store, and boxes that seal frames. No sockets, a clock by hand. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import {
  encodeFramePayload,
  externalData,
  type FramePayload,
  keyId,
  makeVerifier,
  Quantity,
  type Signer,
  sealMessage,
  toHex,
} from '@commonwatt/firmware-protocol';
import {
  encodeDeviceFields,
  encodeGenesisFields,
  encodePartyFields,
  encodeRulesFields,
  type Genesis,
  type RuleSettings,
  sealEntry,
} from '../../src/core/records/index.js';
import type { CommunityLedger } from '../../src/usecases/community-ledger.js';
import { Ledger } from '../../src/usecases/ledger.js';
import type { Clock, Crypto, LedgerStore, Pause } from '../../src/usecases/ports.js';

const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

export function signerOf(seed: Uint8Array): Signer {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return { publicKey: new Uint8Array(spki.subarray(-32)), sign: (message) => new Uint8Array(sign(null, message, key)) };
}

export function seedOf(name: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(name).digest());
}

const keys = new Map<string, KeyObject>();

function keyObject(publicKey: Uint8Array): KeyObject {
  const hex = toHex(publicKey);
  let key = keys.get(hex);
  if (key === undefined) {
    key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, publicKey]), format: 'der', type: 'spki' });
    keys.set(hex, key);
  }
  return key;
}

export const testCrypto: Crypto = {
  hasher: {
    sha256: (...parts) => {
      const hash = createHash('sha256');
      for (const part of parts) hash.update(part);
      return new Uint8Array(hash.digest());
    },
  },
  verifier: makeVerifier((publicKey, message, signature) => verify(null, message, keyObject(publicKey), signature)),
  randomBytes: (count) => new Uint8Array(randomBytes(count)),
};

export class HandClock implements Clock {
  #nowMs: number;

  constructor(nowS: number) {
    this.#nowMs = nowS * 1000;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  setS(nowS: number): void {
    this.#nowMs = nowS * 1000;
  }
}

export interface WorldOptions {
  readonly store: LedgerStore;
  readonly community?: string;
  readonly startS: number;
  readonly intervalS?: Genesis['intervalS'];
  readonly settings?: Partial<Genesis['settings']>;
  readonly rules?: Partial<RuleSettings>;
  readonly crypto?: Crypto;
  readonly pause?: Pause;
}

export class CommunityWorld {
  readonly community: string;
  readonly origin: string;
  readonly clock: HandClock;
  readonly ledger: Ledger;
  readonly operator: Signer;
  readonly log: Signer;
  readonly answer: Signer;
  readonly #number = { next: 2 };

  private constructor(readonly options: WorldOptions) {
    this.community = options.community ?? 'sunny';
    this.origin = `coop.example/${this.community}`;
    this.clock = new HandClock(options.startS);
    this.operator = signerOf(seedOf(`${this.community} operator`));
    this.log = signerOf(seedOf(`${this.community} log`));
    this.answer = signerOf(seedOf(`${this.community} answer`));
    this.ledger = new Ledger({
      store: options.store,
      clock: this.clock,
      crypto: options.crypto ?? testCrypto,
      ...(options.pause && { pause: options.pause }),
      keysOf: () => ({ log: this.log, answer: this.answer }),
    });
  }

  static async create(options: WorldOptions): Promise<CommunityWorld> {
    const world = new CommunityWorld(options);
    await world.ledger.create({
      community: world.community,
      genesisCose: world.#sign(encodeGenesisFields(world.#genesis())),
    });
    await world.addParty('commons', 2);
    const number = world.#number.next++;
    const settings = {
      netting: 2,
      consumerRule: 1,
      producerRule: 1,
      priceMicroPerKwh: 120_000,
      levyBasisPoints: 0,
      ...options.rules,
    } as const;
    const rules = { number, settings, firstIntervalS: options.startS, text: 'sun is shared by need' };
    await (await world.own()).submit([{ kind: 8, cose: world.#sign(encodeRulesFields(rules)) }]);
    return world;
  }

  /** The same community opened anew over the same store, as after a restart. */
  reopened(): CommunityWorld {
    const world = new CommunityWorld(this.options);
    world.clock.setS(this.clock.nowMs() / 1000);
    world.#number.next = this.#number.next;
    return world;
  }

  own(): Promise<CommunityLedger> {
    return this.ledger.community(this.community);
  }

  async addParty(member: string, memberClass: 1 | 2 | 3 = 1): Promise<void> {
    const number = this.#number.next++;
    const party = encodePartyFields({ number, member, memberClass, name: member });
    await (await this.own()).submit([{ kind: 1, cose: this.#sign(party) }]);
  }

  /** A home with one meter of mWh counters and one box. */
  async addHome(home: string, input: { quantities?: readonly Quantity[]; limitW?: number } = {}): Promise<Box> {
    const { quantities = [Quantity.gridImport, Quantity.gridExport], limitW = 0 } = input;
    await this.addParty(home);
    const signer = signerOf(seedOf(`${this.community} ${home}`));
    const kid = keyId(testCrypto.hasher, signer.publicKey);
    const channels = quantities.map((quantity) => ({ quantity, exponent: -3, widthBits: 64, limitW }) as const);
    const meters = [{ index: 0, id: `${home}-m`, generation: 1, channels }];
    const number = this.#number.next++;
    const cose = this.#sign(
      encodeDeviceFields(testCrypto.hasher, { number, kid, key: signer.publicKey, home, member: home, meters }),
    );
    const ledger = await this.own();
    await ledger.submit([{ kind: 2, cose }]);
    return new Box({
      home,
      origin: this.origin,
      signer,
      kid,
      quantities,
      previous: await ledger.openingHash(toHex(kid)),
    });
  }

  async revoke(box: Box, encode: (fields: { number: number; kid: Uint8Array }) => Uint8Array): Promise<void> {
    const cose = this.#sign(encode({ number: this.#number.next++, kid: box.kid }));
    await (await this.own()).submit([{ kind: 3, cose }]);
  }

  signEntry(payload: Uint8Array): Uint8Array {
    return this.#sign(payload);
  }

  nextNumber(): number {
    return this.#number.next++;
  }

  #sign(payload: Uint8Array): Uint8Array {
    return sealEntry({ payload, origin: this.origin, signer: this.operator, hasher: testCrypto.hasher });
  }

  #genesis(): Genesis {
    const { intervalS = 900, settings } = this.options;
    return {
      number: 1,
      origin: this.origin,
      currency: 'sun',
      intervalS,
      timeZone: 'Europe/Brussels',
      settings: {
        settleAfterS: 900,
        graceS: 172_800,
        maxSpanS: intervalS,
        outagePolicy: 0,
        kAnonymity: 5,
        commonsMember: 'commons',
        ...settings,
      },
      logKey: this.log.publicKey,
      answerKey: this.answer.publicKey,
      operatorKey: this.operator.publicKey,
    };
  }
}

export interface BoxInput {
  readonly home: string;
  readonly origin: string;
  readonly signer: Signer;
  readonly kid: Uint8Array;
  readonly quantities: readonly Quantity[];
  readonly previous: Uint8Array;
}

/** Readings of one instant: a value in mWh for each of the box's quantities. */
export interface BoxSample {
  readonly timeS: number;
  readonly values: readonly number[];
}

export class Box {
  readonly home: string;
  readonly kid: Uint8Array;
  readonly signer: Signer;
  readonly origin: string;
  readonly #input: BoxInput;
  epoch = 1;
  number = 1;
  previous: Uint8Array;

  constructor(input: BoxInput) {
    this.#input = input;
    this.home = input.home;
    this.kid = input.kid;
    this.signer = input.signer;
    this.origin = input.origin;
    this.previous = input.previous;
  }

  /** The next frame of the chain. */
  seal(samples: readonly BoxSample[], changes: Partial<FramePayload> = {}): Uint8Array {
    const message = this.sealPayload({ ...this.payload(samples), ...changes });
    this.number += 1;
    this.previous = testCrypto.hasher.sha256(message);
    return message;
  }

  payload(samples: readonly BoxSample[]): FramePayload {
    const first = samples[0]!;
    return {
      epoch: this.epoch,
      number: this.number,
      previous: this.previous,
      startS: first.timeS,
      step: samples.slice(1).map(({ timeS }) => timeS - first.timeS),
      clock: { source: 2, errorMs: 20, ageS: 60 },
      mono: { boot: 1, uptimeMs: first.timeS },
      channels: this.#input.quantities.map((quantity, c) => ({
        meterIndex: 0,
        quantity,
        status: 0,
        first: BigInt(first.values[c]!),
        deltas: samples.slice(1).map(({ values }, i) => values[c]! - samples[i]!.values[c]!),
      })),
    };
  }

  sealPayload(payload: FramePayload): Uint8Array {
    return this.sealBytes(encodeFramePayload(payload));
  }

  sealBytes(payload: Uint8Array, kind: Parameters<typeof externalData>[1] = 'meter-frame/v1'): Uint8Array {
    const { origin, kid, signer } = this;
    return sealMessage({ payload, externalData: externalData(origin, kind), kid, signer });
  }
}
