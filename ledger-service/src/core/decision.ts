/**
 * One decision about one community: rows are read and changed, entries appended to its log, and what came of it is
 * handed to the store as a single batch. Nothing here is durable until that batch is.
 */
import {
  bytesEqual,
  type CborValue,
  cborMap,
  encodeCbor,
  type Hasher,
  type ParkedFrame,
} from '@commonwatt/firmware-protocol';
import {
  commitment,
  ENTRY_VERSION,
  type EntryBody,
  encodeEntry,
  frameOpening,
  KIND,
  type Kind,
  leafHash,
  privateEntry,
  SALT_BYTES,
} from '@commonwatt/firmware-protocol/log';
import { LedgerError } from './errors.js';
import { LogBuilder } from './log/log-builder.js';
import { deriveSalt } from './records/private.js';
import {
  type CommunityRow,
  indexKey,
  openingKey,
  openingKeyOf,
  parkedKey,
  pendingRequestKey,
  type RowValue,
  type SourceTable,
} from './rows.js';
import type { WorkingSet } from './working-set.js';

/** Whose privacy key salts an entry: a member's, or the community's own. */
export const COMMUNITY_KEY = '';

export interface SourceWrite {
  readonly table: SourceTable;
  readonly key: string;
  /** undefined: deleted. */
  readonly value: RowValue | undefined;
}

/** A frame that waits for the ones before it, with the second its bytes first came. */
export interface ParkedMessage extends ParkedFrame {
  readonly epoch: number;
  readonly message: Uint8Array;
}

/** A box's request for a new epoch after a fork: it waits for the operator. */
export interface PendingRequest {
  readonly hash: Uint8Array;
  readonly message: Uint8Array;
}

/** Sources that fit in memory: bounded by the community, not by its age. */
export interface SmallSources {
  readonly privacyKeys: Map<string, Uint8Array>;
  /** By kid in hex, each sorted by number. */
  readonly parked: Map<string, readonly ParkedMessage[]>;
  /** By kid in hex: the newest of each. */
  readonly requests: Map<string, PendingRequest>;
}

export const noSources = (): SmallSources => ({ privacyKeys: new Map(), parked: new Map(), requests: new Map() });

const NONE: readonly ParkedMessage[] = [];
const NO_SALT = new Uint8Array(SALT_BYTES);

export interface AppendedEntry {
  readonly index: number;
  readonly leafData: Uint8Array;
  readonly leafHash: Uint8Array;
}

export interface AppendedPrivate extends AppendedEntry {
  readonly salt: Uint8Array;
}

export class Decision {
  readonly community: string;
  readonly hasher: Hasher;
  readonly rows: WorkingSet;
  readonly log: LogBuilder;
  readonly expectedSize: number;
  #sources: SmallSources;
  /** The sources are this decision's own copy: nothing is copied before the first change. */
  #ownsSources = false;
  readonly #appended: SourceWrite[] = [];
  readonly #writes = new Map<string, SourceWrite>();

  constructor(input: { community: string; hasher: Hasher; rows: WorkingSet; sources: SmallSources }) {
    this.community = input.community;
    this.hasher = input.hasher;
    this.rows = input.rows;
    this.#sources = input.sources;
    const row = input.rows.get('community', '');
    this.log = new LogBuilder(input.hasher, input.rows, row ?? { size: 0, peaks: [] });
    this.expectedSize = this.log.size;
  }

  /** Throws 'not-found' before the genesis is folded. */
  communityRow(): CommunityRow {
    const row = this.rows.get('community', '');
    if (row === undefined) throw new LedgerError('not-found', `no community ${this.community}: its log is empty`);
    return row;
  }

  parked(kid: string): readonly ParkedMessage[] {
    return this.#sources.parked.get(kid) ?? NONE;
  }

  park(kid: string, frame: ParkedMessage): void {
    const others = this.parked(kid).filter(({ number }) => number !== frame.number);
    const waiting = [...others, frame].sort((a, b) => a.number - b.number);
    this.#ownSources().parked.set(kid, waiting);
    this.#write(
      'parked',
      parkedKey(kid, frame.number),
      encodeCbor([frame.receivedS, frame.hash, frame.previous, frame.message]),
    );
  }

  unpark(kid: string, number: number): void {
    const left = this.parked(kid).filter((frame) => frame.number !== number);
    const { parked } = this.#ownSources();
    if (left.length > 0) parked.set(kid, left);
    else parked.delete(kid);
    this.#write('parked', parkedKey(kid, number), undefined);
  }

  parkedKids(): readonly string[] {
    return [...this.#sources.parked.keys()].sort();
  }

  /** What waits of this kid, frames and request, waits in vain. */
  forgetWaiting(kid: string): void {
    for (const { number } of this.parked(kid)) this.#write('parked', parkedKey(kid, number), undefined);
    const { parked, requests } = this.#ownSources();
    parked.delete(kid);
    if (!requests.delete(kid)) return;
    this.#write('parked', pendingRequestKey(kid), undefined);
  }

  pendingRequest(kid: string): PendingRequest | undefined {
    return this.#sources.requests.get(kid);
  }

  pendingRequests(): readonly PendingRequest[] {
    return [...this.#sources.requests.values()];
  }

  /** Keeps the request in the place of an older one of this kid. */
  keepRequest(kid: string, { hash, message }: PendingRequest): void {
    if (this.pendingRequest(kid) !== undefined && bytesEqual(this.pendingRequest(kid)!.hash, hash)) return;
    this.#ownSources().requests.set(kid, { hash, message });
    this.#write('parked', pendingRequestKey(kid), message);
  }

  /** 32 random bytes that came from outside; a member's key is drawn once. */
  addPrivacyKey(owner: string, key: Uint8Array): void {
    if (this.#sources.privacyKeys.has(owner)) return;
    this.#ownSources().privacyKeys.set(owner, key);
    this.#write('privacy_key', owner, key);
  }

  appendPublic(kind: Kind, body: EntryBody): AppendedEntry {
    return this.append(encodeEntry(kind, ENTRY_VERSION, body));
  }

  append(leafData: Uint8Array): AppendedEntry {
    return this.#appendLeaf(indexKey(this.log.size), leafData);
  }

  /** `key`: of the next index. */
  #appendLeaf(key: string, leafData: Uint8Array): AppendedEntry {
    const hash = leafHash(this.hasher, leafData);
    const index = this.log.append(hash);
    this.#appended.push({ table: 'leaf', key, value: leafData });
    return { index, leafData, leafHash: hash };
  }

  /** Only the commitment enters the log; salt and content lie beside it (LOG 4). */
  appendPrivate(kind: Kind, content: Uint8Array, owner: string): AppendedPrivate {
    const opening = new Uint8Array(SALT_BYTES + content.length);
    opening.set(content, SALT_BYTES);
    return this.#appendOpened(kind, opening, owner);
  }

  /** The same for a frame, whose content is written once, in its place. */
  appendFrame(receivedS: number, message: Uint8Array, owner: string): AppendedPrivate {
    return this.#appendOpened(KIND.frame, frameOpening(NO_SALT, receivedS, message), owner);
  }

  /** Fills in the salt. The opening becomes the row's. */
  #appendOpened(kind: Kind, opening: Uint8Array, owner: string): AppendedPrivate {
    const content = opening.subarray(SALT_BYTES);
    const salt = this.salt(kind, this.log.size, content, owner);
    opening.set(salt);
    // The commitment is the hash of salt and content (LOG 4.1): of the opening, as it lies here.
    const key = indexKey(this.log.size);
    const { index, leafData, leafHash } = this.#appendLeaf(key, privateEntry(kind, this.hasher.sha256(opening)));
    this.rows.put('opening', openingKeyOf(key), opening);
    return { index, leafData, leafHash, salt };
  }

  /** The shell of a settlement stands in clear, vector and totals as commitments (LOG 6). */
  appendSettlement(
    shell: readonly (readonly [number, CborValue | undefined])[],
    vector: Uint8Array,
    totals: Uint8Array,
  ): AppendedEntry {
    const index = this.log.size;
    const salts = [vector, totals].map((content) => this.salt(KIND.settlement, index, content, COMMUNITY_KEY));
    const commitments = [vector, totals].map((content, i) => commitment(this.hasher, salts[i]!, content));
    const body = cborMap([...shell, [6, commitments[0]], [7, commitments[1]]]);
    const entry = this.appendPublic(KIND.settlement, body);
    this.keepOpening(index, 0, salts[0]!, vector);
    this.keepOpening(index, 1, salts[1]!, totals);
    return entry;
  }

  salt(kind: Kind, index: number, content: Uint8Array, owner: string): Uint8Array {
    return deriveSalt(this.hasher, { privacyKey: this.privacyKey(owner), kind, index, content });
  }

  privacyKey(owner: string): Uint8Array {
    const key = this.#sources.privacyKeys.get(owner);
    if (key === undefined) {
      throw new LedgerError('invariant', `no privacy key of ${owner === COMMUNITY_KEY ? 'the community' : owner}`);
    }
    return key;
  }

  /** Salt and content beside an entry. Throws 'invariant' where the store lacks it. */
  openingOf(index: number, part = 0): Uint8Array {
    const opening = this.rows.get('opening', openingKey(index, part));
    if (opening === undefined) throw new LedgerError('invariant', `entry ${index} has no opening ${part}`);
    return opening;
  }

  keepOpening(index: number, part: number, salt: Uint8Array, content: Uint8Array): void {
    const opening = new Uint8Array(salt.length + content.length);
    opening.set(salt);
    opening.set(content, salt.length);
    this.rows.put('opening', openingKey(index, part), opening);
  }

  keepCheckpoint(size: number, note: Uint8Array): void {
    this.#write('checkpoint', indexKey(size), note);
  }

  /** Puts the log's new head into the community's row. Call once, when all entries are folded. */
  finish(): void {
    this.log.finish();
    if (this.log.size === this.expectedSize) return;
    this.rows.put('community', '', { ...this.communityRow(), peaks: this.log.peaks(), size: this.log.size });
  }

  sourceWrites(): SourceWrite[] {
    return [...this.#appended, ...this.#writes.values()];
  }

  /** The sources as they are once this decision is durable. */
  sources(): SmallSources {
    return this.#sources;
  }

  /** A failed attempt must leave nothing behind, so what is changed is a copy. */
  #ownSources(): SmallSources {
    if (!this.#ownsSources) {
      const { privacyKeys, parked, requests } = this.#sources;
      this.#sources = { privacyKeys: new Map(privacyKeys), parked: new Map(parked), requests: new Map(requests) };
      this.#ownsSources = true;
    }
    return this.#sources;
  }

  #write(table: SourceTable, key: string, value: RowValue | undefined): void {
    this.#writes.set(`${table}\n${key}`, { table, key, value });
  }
}
