/** A community, begun with `commonwatt init` and served by `commonwatt serve`: two sockets and a folder. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nobleSigner, type Signer, toBase64, toHex } from '@commonwatt/firmware-protocol';
import { readKeyFile } from '../../../ledger-service/src/adapters/system/key-file.js';
import { nodeHasher } from '../../../ledger-service/src/adapters/system/node-crypto.js';
import { sealEntry } from '../../../ledger-service/src/core/records/index.js';
import { type Finished, type JsonObject, Running, run } from './processes.js';

export const COMMUNITY = 'sunny';
export const ORIGIN = `coop.example/${COMMUNITY}`;

export interface RestAnswer {
  readonly status: number;
  readonly body: JsonObject;
}

/** Begins a community in that folder. */
export async function initCommunity(folder: string): Promise<void> {
  await succeeds(run('commonwatt', ['init', '--data', folder, '--community', COMMUNITY, '--host', 'coop.example']));
}

/** What a command printed with `--json`. Throws when it failed. */
export async function succeeds(finished: Promise<Finished>): Promise<string> {
  const { status, stdout, stderr } = await finished;
  if (status !== 0) throw new Error(`expected status 0, got ${status}: ${stdout} ${stderr}`);
  return stdout;
}

export class ServedLedger {
  readonly folder: string;
  readonly mqtt: string;
  readonly #url: string;
  readonly #process: Running;
  #homes = 0;

  private constructor(input: { folder: string; url: string; mqtt: string; process: Running }) {
    this.folder = input.folder;
    this.mqtt = input.mqtt;
    this.#url = input.url;
    this.#process = input.process;
  }

  /** On free ports, in a folder of its own. */
  static async start(): Promise<ServedLedger> {
    const folder = mkdtempSync(join(tmpdir(), 'commonwatt-served-'));
    await initCommunity(folder);
    const process = new Running('commonwatt', ['serve', '--data', folder, '--port', '0', '--mqtt-port', '0', '--json']);
    const { url, mqtt } = await process.object();
    return new ServedLedger({ folder, url: String(url), mqtt: String(mqtt), process });
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async get(path: string): Promise<RestAnswer> {
    return this.#ask(path, {});
  }

  /** Hands in one entry, as whoever has the operator's token. */
  async submit(kind: number, cose: Uint8Array): Promise<RestAnswer> {
    const token = readFileSync(join(this.folder, 'operator.token'), 'utf8').trim();
    return this.post({ kind, cose }, { authorization: `Bearer ${token}` });
  }

  async post(entry: { kind: number; cose: Uint8Array }, headers: Record<string, string>): Promise<RestAnswer> {
    return this.#ask(`/v1/communities/${COMMUNITY}/entries`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ entries: [{ kind: entry.kind, cose: toBase64(entry.cose) }] }),
    });
  }

  /** The number that the operator has to use next. */
  async nextNumber(): Promise<number> {
    return Number((await this.get(`/v1/communities/${COMMUNITY}`)).body.next_number);
  }

  operator(): Signer {
    return readKeyFile(join(this.folder, 'keys', COMMUNITY, 'operator.key'));
  }

  /** Seals a log entry, as the operator unless told otherwise. */
  seal(payload: Uint8Array, signer: Signer = this.operator()): Uint8Array {
    return sealEntry({ payload, origin: ORIGIN, signer, hasher: nodeHasher() });
  }

  /** Enrols a home with a reference meter and a fresh key; gives the configuration that its box gets. */
  async enrol(): Promise<EnrolledHome> {
    this.#homes += 1;
    const home = `home-${this.#homes}`;
    const signer = nobleSigner(nodeHasher().sha256(new TextEncoder().encode(home)));
    const config = await this.enrolKey(home, signer);
    return { home, signer, config };
  }

  async enrolKey(home: string, { publicKey }: Pick<Signer, 'publicKey'>): Promise<JsonObject> {
    const { config } = JSON.parse(await succeeds(this.runEnrol(home, publicKey))) as { config: string };
    return JSON.parse(readFileSync(config, 'utf8')) as JsonObject;
  }

  runEnrol(home: string, publicKey: Uint8Array): Promise<Finished> {
    const key = join(this.folder, `${home}.pub`);
    writeFileSync(key, toHex(publicKey));
    const options = ['--data', this.folder, '--home', home, '--key', key, '--meter', 'reference', '--json'];
    return run('commonwatt', ['enrol', ...options]);
  }

  async #ask(path: string, init: RequestInit): Promise<RestAnswer> {
    const response = await fetch(`${this.#url}${path}`, init);
    return { status: response.status, body: (await response.json()) as JsonObject };
  }
}

export interface EnrolledHome {
  readonly home: string;
  readonly signer: Signer;
  readonly config: JsonObject;
}
