/** A community of real keys, real frames and a real ledger over a memory store, for tests of what is read out of it. */
import {
  encodeFramePayload,
  externalData,
  keyId,
  nobleSha256,
  Quantity,
  type Signer,
  sealMessage,
  toHex,
} from '@commonwatt/firmware-protocol';
import { MemoryStore } from '../../src/adapters/store/memory-store.js';
import { StepClock } from '../../src/adapters/system/clock.js';
import { nodeCrypto } from '../../src/adapters/system/node-crypto.js';
import { seedSigner } from '../../src/adapters/system/node-signer.js';
import {
  encodeDeviceFields,
  encodeGenesisFields,
  encodePartyFields,
  encodeRulesFields,
  type Genesis,
  sealEntry,
} from '../../src/core/records/index.js';
import type { CommunityLedger } from '../../src/usecases/community-ledger.js';
import type { Ledger } from '../../src/usecases/ledger.js';
import type { LedgerStore } from '../../src/usecases/ports.js';
import { SubmitOnce } from '../../src/usecases/submit-once.js';

/** 2024-06-01T00:00:00Z, the first interval of every street. */
export const START_S = 1_717_200_000;
export const INTERVAL_S = 900;

export const PUBLIC_COUNTERS = [Quantity.gridImport, Quantity.gridExport, Quantity.generation] as const;

/** Counters of one home at one edge, in mWh. */
export interface Counters {
  readonly importMwh: number;
  readonly exportMwh: number;
  readonly generationMwh: number;
}

interface Home {
  readonly id: string;
  readonly device: Signer;
  readonly kid: Uint8Array;
  number: number;
  previous: Uint8Array;
}

export interface StreetOptions {
  readonly homes: readonly string[];
  readonly community?: string;
  readonly kAnonymity?: number;
  readonly levyBasisPoints?: number;
  readonly timeZone?: string;
  readonly store?: LedgerStore;
}

const seedOf = (n: number): Uint8Array => new Uint8Array(32).fill(n);

export class LedgerStreet {
  readonly community: string;
  readonly origin: string;
  readonly store: LedgerStore;
  readonly clock = new StepClock((START_S - 3600) * 1000);
  readonly operator = seedSigner(seedOf(1));
  readonly hasher = nobleSha256;
  readonly ledger: Ledger;
  readonly entries: SubmitOnce;
  readonly #keys = { log: seedSigner(seedOf(2)), answer: seedSigner(seedOf(3)) };
  readonly #homes = new Map<string, Home>();
  readonly #options: StreetOptions;
  #number = 1;

  private constructor(options: StreetOptions) {
    this.#options = options;
    this.community = options.community ?? 'sunny';
    this.origin = `ledger.example/${this.community}`;
    this.store = options.store ?? new MemoryStore();
    this.entries = this.openEntries();
    this.ledger = this.entries.ledger;
  }

  /** A commons member `fund`, and for each home a member `m-HOME` with the gateway HOME and the meter `e-HOME`. */
  static async build(options: StreetOptions): Promise<LedgerStreet> {
    const street = new LedgerStreet(options);
    await street.ledger.create({ community: street.community, genesisCose: street.#sign(street.#genesis()) });
    await street.submit(1, street.party('fund', 2));
    await street.submit(8, street.#rules());
    for (const home of options.homes) await street.#enrol(home);
    return street;
  }

  /** A ledger on the same store, as after a start. */
  openEntries(): SubmitOnce {
    const { store, clock } = this;
    return new SubmitOnce({ store, clock, crypto: nodeCrypto(), keysOf: () => this.#keys }, clock);
  }

  get logKey(): Uint8Array {
    return this.#keys.log.publicKey;
  }

  kidOf(home: string): string {
    return toHex(this.#homes.get(home)!.kid);
  }

  ledgerOf(): Promise<CommunityLedger> {
    return this.ledger.community(this.community);
  }

  /** Signs as the operator and hands it to the ledger. */
  async submit(kind: number, payload: Uint8Array): Promise<void> {
    await (await this.ledgerOf()).submit([{ kind, cose: this.#sign(payload) }]);
  }

  /** Bytes that the operator signed, for a test to send by itself. */
  signedParty(member: string, number: number): Uint8Array {
    return this.#sign(encodePartyFields({ number, member, memberClass: 1 }));
  }

  /** A gateway's enrolment that the operator signed, for a test to send by itself. */
  signedDevice(home: string, member: string): { readonly kind: 2; readonly cose: Uint8Array } {
    const device = seedSigner(seedOf(200));
    const channels = [{ quantity: Quantity.gridImport, exponent: -3, widthBits: 64, limitW: 0 }] as const;
    const meters = [{ index: 0, id: `e-${home}`, generation: 0, channels }];
    const kid = keyId(this.hasher, device.publicKey);
    const fields = { number: this.nextNumber(), kid, key: device.publicKey, home, member, meters };
    return { kind: 2, cose: this.#sign(encodeDeviceFields(this.hasher, fields)) };
  }

  party(member: string, memberClass: 1 | 2): Uint8Array {
    return encodePartyFields({ number: this.nextNumber(), member, memberClass, name: `Name of ${member}` });
  }

  nextNumber(): number {
    this.#number += 1;
    return this.#number;
  }

  /** Every home's gateway sends its counters at one instant; then the clock stands there, and what is due is settled. */
  async edge(timeS: number, counters: Readonly<Record<string, Counters>>): Promise<void> {
    this.clock.set(Math.max(this.clock.nowMs(), (timeS + 2) * 1000));
    const frames = Object.entries(counters).map(([home, values]) => ({
      gateway: home,
      message: this.#frame(this.#homes.get(home)!, timeS, values),
    }));
    const ledger = await this.ledgerOf();
    const { accepted } = await ledger.ingestFrames(frames);
    if (accepted !== frames.length) throw new Error(`street: ${accepted} of ${frames.length} frames accepted`);
    await ledger.settleDue();
  }

  /** A frame of an earlier instant comes now; what it changes is settled again. */
  async late(home: string, timeS: number, values: Counters): Promise<void> {
    const ledger = await this.ledgerOf();
    await ledger.ingestFrames([{ gateway: home, message: this.#frame(this.#homes.get(home)!, timeS, values) }]);
    await ledger.settleDue();
  }

  /** Lets time pass without frames, and settles what is due then. */
  async wait(timeS: number): Promise<void> {
    this.clock.set(timeS * 1000);
    await (await this.ledgerOf()).settleDue();
  }

  #genesis(): Uint8Array {
    const genesis: Genesis = {
      number: 1,
      origin: this.origin,
      currency: 'sun',
      intervalS: INTERVAL_S,
      timeZone: this.#options.timeZone ?? 'Europe/Berlin',
      settings: {
        settleAfterS: INTERVAL_S,
        graceS: 48 * 3600,
        maxSpanS: INTERVAL_S,
        outagePolicy: 0,
        kAnonymity: this.#options.kAnonymity ?? 2,
        commonsMember: 'fund',
      },
      logKey: this.#keys.log.publicKey,
      answerKey: this.#keys.answer.publicKey,
      operatorKey: this.operator.publicKey,
    };
    return encodeGenesisFields(genesis);
  }

  #rules(): Uint8Array {
    const settings = {
      netting: 2,
      consumerRule: 1,
      producerRule: 1,
      priceMicroPerKwh: 120_000,
      levyBasisPoints: this.#options.levyBasisPoints ?? 0,
    } as const;
    return encodeRulesFields({ number: this.nextNumber(), settings, firstIntervalS: START_S, text: 'Shared by need.' });
  }

  async #enrol(id: string): Promise<void> {
    const device = seedSigner(seedOf(10 + this.#homes.size));
    const kid = keyId(this.hasher, device.publicKey);
    await this.submit(1, this.party(`m-${id}`, 1));
    const channels = PUBLIC_COUNTERS.map((quantity) => ({ quantity, exponent: -3, widthBits: 64, limitW: 0 }) as const);
    const meters = [{ index: 0, id: `e-${id}`, generation: 0, channels }];
    const fields = { number: this.nextNumber(), kid, key: device.publicKey, home: id, member: `m-${id}`, meters };
    await this.submit(2, encodeDeviceFields(this.hasher, fields));
    const previous = await (await this.ledgerOf()).openingHash(toHex(kid));
    this.#homes.set(id, { id, device, kid, number: 0, previous });
  }

  #frame(home: Home, timeS: number, { importMwh, exportMwh, generationMwh }: Counters): Uint8Array {
    const values = [importMwh, exportMwh, generationMwh];
    home.number += 1;
    const payload = encodeFramePayload({
      epoch: 1,
      number: home.number,
      previous: home.previous,
      startS: timeS,
      step: [],
      clock: { source: 2, errorMs: 10, ageS: 1 },
      mono: { boot: 1, uptimeMs: (timeS - START_S + 3600) * 1000 },
      channels: PUBLIC_COUNTERS.map((quantity, i) => ({
        meterIndex: 0,
        quantity,
        status: 0,
        first: BigInt(values[i]!),
        deltas: [],
      })),
    });
    const data = externalData(this.origin, 'meter-frame/v1');
    const message = sealMessage({ payload, externalData: data, kid: home.kid, signer: home.device });
    home.previous = this.hasher.sha256(message);
    return message;
  }

  #sign(payload: Uint8Array): Uint8Array {
    return sealEntry({ payload, origin: this.origin, signer: this.operator, hasher: this.hasher });
  }
}

/** Counters of a street at the n-th edge: odd homes have sun, even ones need it; no two alike. */
export function countersAt(homes: readonly string[], n: number): Record<string, Counters> {
  const entries = homes.map((home, i) => {
    const hasSun = i % 2 === 1;
    const growthMwh = 100_000 + 1_001 * i;
    return [
      home,
      {
        importMwh: 5_000_000 + (hasSun ? 0 : n * growthMwh),
        exportMwh: hasSun ? 1_000_000 + n * growthMwh : 0,
        generationMwh: hasSun ? 2_000_000 + n * (growthMwh + 50_000) : 0,
      },
    ] as const;
  });
  return Object.fromEntries(entries);
}
