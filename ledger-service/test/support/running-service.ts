/** A served ledger on real files, a real broker and a real port, with its log in memory, and a box that seals frames. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  encodeFramePayload,
  externalData,
  keyId,
  Quantity,
  type Signer,
  sealMessage,
  topics,
} from '@commonwatt/firmware-protocol';
import mqtt, { type MqttClient } from 'mqtt';
import type { LogLevel } from '../../src/adapters/log/levels.js';
import { RealClock } from '../../src/adapters/system/clock.js';
import { nodeHasher } from '../../src/adapters/system/node-crypto.js';
import { seedSigner } from '../../src/adapters/system/node-signer.js';
import { type CommunityPlan, signHome } from '../../src/cli/community-setup.js';
import { DataFolder } from '../../src/cli/data-folder.js';
import { initCommunity } from '../../src/cli/init.js';
import { LedgerService } from '../../src/cli/service.js';
import { jsonLog } from '../../src/cli/service-log.js';

export const COMMUNITY = 'sunny';
const INTERVAL_S = 900;
const HOST = 'ledger.example';
const hasher = nodeHasher();

export interface LogLine {
  readonly level: string;
  readonly time: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A home whose frames a test seals by itself. */
export interface SealingHome {
  readonly home: string;
  readonly device: Signer;
  number: number;
  previous: Uint8Array;
}

export class RunningService {
  readonly folder: DataFolder;
  readonly service: LedgerService;
  readonly #text: string[];
  #client: MqttClient | undefined;

  private constructor(folder: DataFolder, service: LedgerService, text: string[]) {
    this.folder = folder;
    this.service = service;
    this.#text = text;
  }

  static async start({ level = 'debug', bind = '127.0.0.1' }: { level?: LogLevel; bind?: string } = {}) {
    const folder = new DataFolder(mkdtempSync(join(tmpdir(), 'commonwatt-running-')));
    const clock = new RealClock();
    await initCommunity(folder, planOf(clock.nowMs()), clock);
    const text: string[] = [];
    const log = jsonLog(folder, level, { write: (line) => text.push(line) });
    const broker = { kind: 'embedded', port: 0, bind: '127.0.0.1' } as const;
    const service = await LedgerService.start({ folder, clock, broker, rest: { port: 0, bind }, log });
    return new RunningService(folder, service, text);
  }

  get logText(): string {
    return this.#text.join('');
  }

  get lines(): LogLine[] {
    return this.#text.map((line) => JSON.parse(line) as LogLine);
  }

  get token(): string {
    return this.folder.token();
  }

  get operator(): Signer {
    return this.folder.readKey(COMMUNITY, 'operator');
  }

  get origin(): string {
    return `${HOST}/${COMMUNITY}`;
  }

  async stop(): Promise<void> {
    await this.#client?.endAsync(true);
    await this.service.stop();
    rmSync(this.folder.path, { recursive: true, force: true });
  }

  ask(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.service.url}${path}`, init);
  }

  post(entries: readonly { kind: number; cose: Uint8Array }[], headers: Record<string, string> = {}) {
    const body = entries.map(({ kind, cose }) => ({ kind, cose: Buffer.from(cose).toString('base64') }));
    return this.ask(`/v1/communities/${COMMUNITY}/entries`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ entries: body }),
    });
  }

  async nextNumber(): Promise<number> {
    const community = (await (await this.ask(`/v1/communities/${COMMUNITY}`)).json()) as { next_number: number };
    return community.next_number;
  }

  async enrol(home: string, name: string, seed: number): Promise<SealingHome> {
    const device = seedSigner(new Uint8Array(32).fill(seed));
    const channels = [{ quantity: Quantity.gridImport, exponent: -3, widthBits: 64, limitW: 0 }] as const;
    const meters = [{ index: 0, id: `e-${home}`, generation: 0, channels }];
    const plan = { home, member: `m-${home}`, memberClass: 1, isNewMember: true, name, meters } as const;
    const signing = { origin: this.origin, operator: this.operator, hasher, nextNumber: await this.nextNumber() };
    const { entries, firstPrevious } = signHome({ ...plan, publicKey: device.publicKey }, signing);
    const answer = await this.post(entries);
    if (answer.status !== 201) throw new Error(`enrol: ${answer.status} ${await answer.text()}`);
    return { home, device, number: 0, previous: firstPrevious };
  }

  /** The next frame of a home, of now. */
  frame(box: SealingHome): Uint8Array {
    box.number += 1;
    const startS = Math.floor(Date.now() / 1000);
    const payload = encodeFramePayload({
      ...{ epoch: 1, number: box.number, previous: box.previous, startS, step: [] },
      clock: { source: 2, errorMs: 10, ageS: 1 },
      mono: { boot: 1, uptimeMs: box.number * 1000 },
      channels: [{ meterIndex: 0, quantity: Quantity.gridImport, status: 0, first: BigInt(box.number), deltas: [] }],
    });
    const kid = keyId(hasher, box.device.publicKey);
    const message = sealMessage({
      ...{ payload, externalData: externalData(this.origin, 'meter-frame/v1') },
      ...{ kid, signer: box.device },
    });
    box.previous = hasher.sha256(message);
    return message;
  }

  /** Resolves when the ledger has acknowledged it, which it does after it has decided. */
  publish(home: string, message: Uint8Array, leaf: 'frame' | 'event' = 'frame'): Promise<void> {
    return this.#publishOn(topics(COMMUNITY, home)[leaf], message);
  }

  publishElsewhere(community: string, home: string, message: Uint8Array): Promise<void> {
    return this.#publishOn(topics(community, home).frame, message);
  }

  async #publishOn(topic: string, message: Uint8Array): Promise<void> {
    this.#client ??= await mqtt.connectAsync(this.service.bus.url, { protocolVersion: 4 });
    await this.#client.publishAsync(topic, Buffer.from(message), { qos: 1 });
  }
}

/** A community whose first interval is the one that runs. */
export function planOf(nowMs: number): CommunityPlan {
  return {
    ...{ community: COMMUNITY, host: HOST, currency: 'sun', intervalS: INTERVAL_S, timeZone: 'UTC' },
    settings: {
      ...{ settleAfterS: INTERVAL_S, graceS: 172_800, maxSpanS: INTERVAL_S, outagePolicy: 0, kAnonymity: 5 },
      commonsMember: 'fund',
    },
    rules: { netting: 2, consumerRule: 1, producerRule: 1, priceMicroPerKwh: 120_000, levyBasisPoints: 0 },
    firstIntervalS: Math.floor(nowMs / 1000 / INTERVAL_S) * INTERVAL_S,
  };
}
