/** One way to ask the ledger and to hand entries in, whether it is being served or lies still. */
import type { FastifyInstance } from 'fastify';
import { createHttpApp } from '../adapters/http/app.js';
import { RealClock } from '../adapters/system/clock.js';
import { LEDGER_ERROR_CODES, LedgerError, type LedgerErrorCode } from '../core/errors.js';
import type { DataFolder } from './data-folder.js';
import { type OpenLedger, openLedger } from './open-ledger.js';
import { VERSION } from './version.js';

const REQUEST_TIMEOUT_MS = 30_000;
const LOOPBACK = '127.0.0.1';
/** Pages of a list that are fetched: far beyond any community. */
const MAX_PAGES = 10_000;

export interface DoorAnswer {
  readonly status: number;
  readonly text: string;
}

/** The JSON of an answer, by name. */
export type Json = { readonly [name: string]: unknown };

export abstract class Door {
  protected abstract request(method: 'GET' | 'POST', path: string, body?: object): Promise<DoorAnswer>;
  abstract close(): Promise<void>;

  /** Throws LedgerError with the ledger's own code and sentence. */
  async get(path: string): Promise<Json> {
    return parse(await this.request('GET', path), path);
  }

  async getText(path: string): Promise<string> {
    const answer = await this.request('GET', path);
    if (answer.status >= 400) throw refusal(answer, path);
    return answer.text;
  }

  /** All pages of a list. */
  async list(path: string): Promise<{ items: Json[]; last: Json }> {
    const items: Json[] = [];
    let after = '';
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const last = await this.get(`${path}${path.includes('?') ? '&' : '?'}limit=1000${after}`);
      items.push(...((last.items as Json[] | undefined) ?? []));
      if (typeof last.next !== 'string') return { items, last };
      after = `&after=${encodeURIComponent(last.next)}`;
    }
    throw new LedgerError('bad-request', `${path}: more than ${MAX_PAGES} pages`);
  }

  async post(path: string, body: object): Promise<Json> {
    return parse(await this.request('POST', path, body), path);
  }
}

/** Opens whichever door there is: that of the process that serves the folder, or one of our own onto its files. */
export async function openDoor(folder: DataFolder): Promise<Door> {
  folder.checkExists();
  const serve = folder.serving();
  if (serve !== undefined) return new RemoteDoor(serve.url, folder.token());
  return new LocalDoor(folder);
}

class RemoteDoor extends Door {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    super();
    this.#url = url;
    this.#token = token;
  }

  protected async request(method: 'GET' | 'POST', path: string, body?: object): Promise<DoorAnswer> {
    try {
      const response = await fetch(`${this.#url}${path}`, {
        method,
        headers: headersOf(this.#token, body),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return { status: response.status, text: await response.text() };
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new LedgerError('child', `the ledger at ${this.#url} does not answer: ${why}`, { cause });
    }
  }

  async close(): Promise<void> {}
}

/** The same routes on the files themselves, without a socket. */
class LocalDoor extends Door {
  readonly #token: string;
  readonly #open: OpenLedger;
  readonly #app: FastifyInstance;
  /** What the newest request failed of: there is no service whose log could tell. */
  #fault: unknown;

  constructor(folder: DataFolder) {
    super();
    this.#token = folder.token();
    const clock = new RealClock();
    this.#open = openLedger(folder, clock);
    this.#app = createHttpApp({
      entries: this.#open.entries,
      store: this.#open.store,
      hasher: this.#open.crypto.hasher,
      clock,
      token: this.#token,
      bind: LOOPBACK,
      version: VERSION,
      onFault: (error) => {
        this.#fault = error;
      },
    });
  }

  protected async request(method: 'GET' | 'POST', path: string, body?: object): Promise<DoorAnswer> {
    this.#fault = undefined;
    const headers = { ...headersOf(this.#token, body), host: 'localhost' };
    const response = await this.#app.inject({
      method,
      url: path,
      headers,
      ...(body !== undefined && { payload: JSON.stringify(body) }),
    });
    if (this.#fault !== undefined) throw this.#fault;
    return { status: response.statusCode, text: response.body };
  }

  async close(): Promise<void> {
    await this.#app.close();
    await this.#open.close();
  }
}

function headersOf(token: string, body: object | undefined): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    ...(body !== undefined && { 'content-type': 'application/json' }),
  };
}

function parse(answer: DoorAnswer, path: string): Json {
  if (answer.status >= 400) throw refusal(answer, path);
  return JSON.parse(answer.text) as Json;
}

/** Problem details (RFC 9457) back into what the ledger threw. */
function refusal({ status, text }: DoorAnswer, path: string): LedgerError {
  let problem: { code?: unknown; detail?: unknown; title?: unknown } = {};
  try {
    problem = JSON.parse(text) as typeof problem;
  } catch {
    // Not from our ledger: the status says it all.
  }
  const code = LEDGER_ERROR_CODES.find((known): known is LedgerErrorCode => known === problem.code) ?? 'bad-request';
  const sentence = typeof problem.detail === 'string' ? problem.detail : `${path}: ${problem.title ?? status}`;
  return new LedgerError(code, sentence);
}

/** The community that was named, or the only one there is. */
export async function chooseCommunity(door: Door, named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  const { items } = await door.list('/v1/communities');
  const ids = items.map(({ id }) => String(id));
  if (ids.length === 1 && ids[0] !== undefined) return ids[0];
  const expected = ids.length === 0 ? 'one made with commonwatt init' : `--community, one of ${ids.join(', ')}`;
  throw new LedgerError('config', `which community: expected ${expected}`);
}

/** A field of the ledger's answer that has to be text. Throws LedgerError 'child'. */
export function textOf(answer: Json, name: string): string {
  const value = answer[name];
  if (typeof value === 'string') return value;
  throw new LedgerError('child', `the ledger's answer: expected ${name} as text, got ${typeof value}`);
}
