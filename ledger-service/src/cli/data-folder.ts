/** Where things lie in the data folder. */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Signer } from '@commonwatt/firmware-protocol';
import { createKeyFile, readKeyFile } from '../adapters/system/key-file.js';
import { LedgerError } from '../core/errors.js';
import type { CommunityKeys } from '../usecases/ports.js';

const OWNER_ONLY = 0o600;
const FOLDER_OWNER_ONLY = 0o700;
const TOKEN_BYTES = 32;
const MAX_SERVE_FILE_BYTES = 4_096;

/** The three keys of a community that the ledger's side holds, each with one role. */
export type KeyRole = 'log' | 'answer' | 'operator';

/** While `serve` runs: how other commands reach it. */
export interface ServeFile {
  readonly url: string;
  readonly mqtt: string;
  readonly pid: number;
}

export class DataFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  get ledgerFile(): string {
    return join(this.path, 'ledger.db');
  }

  get clockFile(): string {
    return join(this.path, 'clock.json');
  }

  /** The newest signed head of each log that was served. */
  get headsFolder(): string {
    return join(this.path, 'heads');
  }

  headFile(community: string): string {
    return join(this.headsFolder, `${community}.note`);
  }

  get serveFile(): string {
    return join(this.path, 'serve.json');
  }

  /** The state of one gateway or of the simulator that `demo` and `replay` start. */
  childFolder(name: string): string {
    return join(this.path, name);
  }

  gatewayFile(community: string, home: string): string {
    return join(this.path, 'gateways', community, `${home}.json`);
  }

  keyFile(community: string, role: KeyRole): string {
    return join(this.path, 'keys', community, `${role}.key`);
  }

  /** Makes the folder, for its owner alone. Throws 'bad-file' when it cannot be. */
  create(): void {
    makeFolder(this.path);
  }

  /** Throws 'not-found' unless a ledger was made here. */
  checkExists(): void {
    if (existsSync(this.ledgerFile)) return;
    throw new LedgerError(
      'not-found',
      `no ledger in ${this.path}: make one with commonwatt init --data ${this.path} ...`,
    );
  }

  hasKeys(community: string): boolean {
    return existsSync(dirname(this.keyFile(community, 'log')));
  }

  createKeys(community: string): Readonly<Record<KeyRole, Signer>> {
    makeFolder(dirname(this.keyFile(community, 'log')));
    const create = (role: KeyRole) => createKeyFile(this.keyFile(community, role));
    return { log: create('log'), answer: create('answer'), operator: create('operator') };
  }

  readKey(community: string, role: KeyRole): Signer {
    return readKeyFile(this.keyFile(community, role));
  }

  /** What the ledger signs with, read once per community. */
  keyring(): (community: string) => CommunityKeys {
    const known = new Map<string, CommunityKeys>();
    return (community) => {
      const keys = known.get(community) ?? {
        log: this.readKey(community, 'log'),
        answer: this.readKey(community, 'answer'),
      };
      known.set(community, keys);
      return keys;
    };
  }

  /** The operator's token; made when there is none. */
  token(): string {
    const file = join(this.path, 'operator.token');
    if (existsSync(file)) return readOneWord(file);
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    replaceFile(file, `${token}\n`);
    return token;
  }

  /** A name for the broker outside that stays the same: it keeps under it what comes while the ledger is away. */
  mqttClientId(): string {
    const file = join(this.path, 'mqtt.id');
    if (existsSync(file)) return readOneWord(file);
    const name = `commonwatt-${randomBytes(6).toString('hex')}`;
    replaceFile(file, `${name}\n`);
    return name;
  }

  writeServeFile(serve: ServeFile): void {
    replaceFile(this.serveFile, `${JSON.stringify(serve)}\n`);
  }

  removeServeFile(): void {
    rmSync(this.serveFile, { force: true });
  }

  /** Who serves this folder now; undefined when nobody does, or the process that wrote the file is gone. */
  serving(): ServeFile | undefined {
    if (!existsSync(this.serveFile)) return undefined;
    const serve = parseServeFile(readFileSync(this.serveFile, 'utf8').slice(0, MAX_SERVE_FILE_BYTES));
    return serve !== undefined && serve.pid !== process.pid && isAlive(serve.pid) ? serve : undefined;
  }

  /** Throws 'conflict' while another process serves this folder: a ledger has one writer. */
  checkNotServed(): void {
    const serve = this.serving();
    if (serve === undefined) return;
    throw new LedgerError('conflict', `${this.path} is served by process ${serve.pid} at ${serve.url}: stop it first`);
  }

  writeGatewayFile(community: string, home: string, config: object): string {
    const file = this.gatewayFile(community, home);
    makeFolder(dirname(file));
    replaceFile(file, `${JSON.stringify(config, null, 2)}\n`);
    return file;
  }

  /** Homes that a configuration was written for, in the order of their names. */
  gatewayHomes(community: string): string[] {
    const folder = dirname(this.gatewayFile(community, 'x'));
    if (!existsSync(folder)) return [];
    const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
    return names.map((name) => name.slice(0, -'.json'.length)).sort();
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Appears whole or not at all, for its owner alone. Throws 'bad-file' when the medium does not take it. */
export function replaceFile(file: string, text: string): void {
  const draft = `${file}.new`;
  try {
    writeFileSync(draft, text, { mode: OWNER_ONLY, flush: true });
    chmodSync(draft, OWNER_ONLY);
    renameSync(draft, file);
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    const help = 'make room on the disk, or make its folder writable';
    throw new LedgerError('bad-file', `${file} cannot be written (${code}): ${help}`, { cause });
  }
}

/** An empty file is what a full disk leaves behind: no token, and no name. */
function readOneWord(file: string): string {
  const word = readFileSync(file, 'utf8').trim();
  if (word !== '') return word;
  throw new LedgerError('bad-file', `${file} is empty: remove it, and a new one is made at the next start`);
}

export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: FOLDER_OWNER_ONLY });
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new LedgerError('bad-file', `folder ${path} cannot be made (${code})`, { cause });
  }
}

function parseServeFile(text: string): ServeFile | undefined {
  try {
    const { url, mqtt, pid } = JSON.parse(text) as Partial<ServeFile>;
    if (typeof url !== 'string' || typeof mqtt !== 'string' || !Number.isSafeInteger(pid)) return undefined;
    return { url, mqtt, pid: pid as number };
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
