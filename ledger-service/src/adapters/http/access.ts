/**
 * Who may ask what. On loopback reads are free; off loopback a member's data takes the operator's token; a write, and what
 * waits for the operator, always does. Where a request comes from is read off the socket, never off a header:
 * X-Forwarded-For and its kin are ignored.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { LedgerError } from '../../core/errors.js';

/** What a route gives away, or takes. */
export type Access = 'public' | 'member-data' | 'operator';

export interface AccessOptions {
  /** The operator's token, as `Authorization: Bearer` carries it. */
  readonly token: string;
  /** The address that is listened on. */
  readonly bind: string;
  /** Names besides those of loopback under which a proxy on this machine may pass requests on. */
  readonly hosts: readonly string[];
}

/** What a request may see. */
export interface Asker {
  readonly mayReadMembers: boolean;
}

const BEARER = /^Bearer ([A-Za-z0-9._~+/=-]{1,512})$/i;
const LOOPBACK_V4 = /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;
const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];
const HTTP_PORT = 80;
const PORT = /:\d{1,5}$/;

export class AccessControl {
  readonly #tokenHash: Buffer;
  readonly #isBoundToLoopback: boolean;
  readonly #hosts: ReadonlySet<string>;

  constructor({ token, bind, hosts }: AccessOptions) {
    if (token.length === 0) throw new LedgerError('config', 'operator token: expected one, got an empty text');
    this.#tokenHash = hashOf(token);
    this.#isBoundToLoopback = isLoopback(bind);
    this.#hosts = new Set(hosts.map((host) => host.toLowerCase()));
  }

  /**
   * A page of the web may point a name of its own at 127.0.0.1 and read through its visitor's browser (DNS rebinding):
   * on loopback only loopback's own names are answered. Throws 'bad-request'.
   */
  checkHost(request: FastifyRequest): void {
    if (!this.#isBoundToLoopback) return;
    const host = (request.headers.host ?? '').toLowerCase();
    const isKnown = this.#hosts.has(host) || this.#hosts.has(host.replace(PORT, ''));
    if (isKnown || isLoopbackHost(host, request.socket.localPort)) return;
    throw new LedgerError(
      'bad-request',
      `host: expected localhost or 127.0.0.1, got ${JSON.stringify(host.slice(0, 80))}`,
    );
  }

  /** Throws 'unauthorised' for a wrong token, or for none where one is needed. */
  check(request: FastifyRequest, access: Access): Asker {
    const hasToken = this.#checkToken(request.headers.authorization);
    const mayReadMembers = hasToken || this.#isLocal(request);
    if (access === 'operator' && !hasToken) throw refused('this is for the operator: it needs the token');
    if (access === 'member-data' && !mayReadMembers)
      throw refused("reading members' data off loopback needs the token");
    return { mayReadMembers };
  }

  #checkToken(header: string | undefined): boolean {
    if (header === undefined) return false;
    const given = BEARER.exec(header)?.[1];
    // Hashes have one length, so the comparison takes one time.
    if (given !== undefined && timingSafeEqual(hashOf(given), this.#tokenHash)) return true;
    throw refused('the token is not the one of this ledger');
  }

  /** A request under another host's name came through a proxy: whoever stands behind that is not on this machine. */
  #isLocal(request: FastifyRequest): boolean {
    const { remoteAddress, localPort } = request.socket;
    const host = (request.headers.host ?? '').toLowerCase();
    return this.#isBoundToLoopback && isLoopback(remoteAddress ?? '') && isLoopbackHost(host, localPort);
  }
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest();
}

function refused(what: string): LedgerError {
  return new LedgerError('unauthorised', `${what}: send it as "Authorization: Bearer TOKEN"`);
}

/** True for an address of the machine's own loopback, or its name. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address === 'localhost' || LOOPBACK_V4.test(address);
}

/** A request that is injected, as tests do, has no socket and no port to compare. */
function isLoopbackHost(host: string, localPort: number | undefined): boolean {
  const match = /^(\[[0-9a-f:]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(host);
  if (match === null || !LOOPBACK_NAMES.includes(match[1]!)) return false;
  return localPort === undefined || Number(match[2] ?? HTTP_PORT) === localPort;
}
