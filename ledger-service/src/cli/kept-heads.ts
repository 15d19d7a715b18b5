/** Signed heads of the logs, kept apart from the database: they tell whether it is all of it, and the one it was. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { bytesEqual, checkpointTopic, ProtocolError } from '@commonwatt/firmware-protocol';
import { openCheckpoint, parseCheckpoint, parseNote } from '@commonwatt/firmware-protocol/log';
import { readRetained } from '../adapters/mqtt/retained-messages.js';
import { LedgerError } from '../core/errors.js';
import type { Genesis } from '../core/records/index.js';
import { indexKey } from '../core/rows.js';
import { describeCommunity } from '../usecases/queries/index.js';
import { CommunityReader } from '../usecases/queries/reader.js';
import { type DataFolder, makeFolder } from './data-folder.js';
import type { OpenLedger } from './open-ledger.js';

/** How far the kept head may lag behind: what is lost of the newest commits within it goes unnoticed. Real time. */
const KEEP_EVERY_MS = 5_000;
const MAX_NOTE_BYTES = 4_096;
const OWNER_ONLY = 0o600;
const SUFFIX = '.note';

export class KeptHeads {
  readonly #folder: DataFolder;
  readonly #open: OpenLedger;
  readonly #trouble: (line: string) => void;
  readonly #kept = new Map<string, Uint8Array>();
  #timer: NodeJS.Timeout | undefined;
  #keeping: Promise<void> | undefined;
  #isTold = false;

  constructor(input: { folder: DataFolder; open: OpenLedger; trouble: (line: string) => void }) {
    this.#folder = input.folder;
    this.#open = input.open;
    this.#trouble = input.trouble;
  }

  /**
   * Throws LedgerError 'store' when the database is behind a head that was signed, or is another log than it was: boxes
   * hold receipts for what is missing, and to go on would be to sign a second log.
   */
  async check(brokerUrl: string | undefined): Promise<void> {
    const communities = await this.#open.store.communities();
    for (const community of communitiesIn(this.#folder)) {
      const file = this.#folder.headFile(community);
      const note = new Uint8Array(readFileSync(file)).subarray(0, MAX_NOTE_BYTES);
      if (communities.includes(community)) await this.#checkNote(community, note, file);
      else checkGone(community, note, file);
    }
    if (brokerUrl !== undefined) await this.#checkBroker(brokerUrl, communities);
  }

  start(): void {
    makeFolder(this.#folder.headsFolder);
    this.#timer = setInterval(() => {
      this.#keeping ??= this.#keep().finally(() => {
        this.#keeping = undefined;
      });
    }, KEEP_EVERY_MS);
  }

  /** Keeps the last heads. */
  async stop(): Promise<void> {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    await this.#keeping;
    await this.#keep();
  }

  /** A broker that is away now is no reason to stay away: the kept heads have been looked at. */
  async #checkBroker(url: string, communities: readonly string[]): Promise<void> {
    const topics = new Map(communities.map((community) => [checkpointTopic(community), community]));
    try {
      for (const [topic, note] of await readRetained(url, [...topics.keys()])) {
        await this.#checkNote(topics.get(topic) as string, note, `the broker, on ${topic}`);
      }
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== 'broker') throw error;
      this.#trouble(`the newest checkpoint at the broker could not be looked at: ${error.message}`);
    }
  }

  async #checkNote(community: string, note: Uint8Array, where: string): Promise<void> {
    const { store, crypto } = this.#open;
    const { genesis, size } = await describeCommunity(store, community);
    const signed = openOwn(note, genesis, crypto);
    if (signed === undefined) return;
    if (signed.size > size) throw behind(community, { has: size, signed: signed.size, where });
    const reader = await CommunityReader.open(store, community);
    const own = await reader.source('checkpoint', indexKey(signed.size));
    if (own !== undefined && bytesEqual(parseCheckpoint(parseNote(own).text).root, signed.root)) return;
    throw new LedgerError(
      'store',
      `community ${community}: ${where} has a head of ${signed.size} entries that is not of this log: an older copy was ` +
        'served meanwhile; put the right ledger.db back',
    );
  }

  async #keep(): Promise<void> {
    try {
      for (const community of await this.#open.store.communities()) {
        const note = await (await this.#open.ledger.community(community)).checkpoint();
        if (note.length === 0 || this.#kept.get(community) === note) continue;
        const file = this.#folder.headFile(community);
        await writeFile(`${file}.new`, note, { mode: OWNER_ONLY });
        await rename(`${file}.new`, file);
        this.#kept.set(community, note);
      }
      this.#isTold = false;
    } catch (error) {
      if (!this.#isTold) this.#trouble(`heads cannot be kept: ${error instanceof Error ? error.message : error}`);
      this.#isTold = true;
    }
  }
}

function communitiesIn(folder: DataFolder): readonly string[] {
  if (!existsSync(folder.headsFolder)) return [];
  const names = readdirSync(folder.headsFolder).filter((name) => name.endsWith(SUFFIX));
  return names.map((name) => name.slice(0, -SUFFIX.length));
}

/** Undefined for what this log never signed: anybody may say anything at a broker, and a crash may leave half a file. */
function openOwn(note: Uint8Array, { origin, logKey }: Genesis, { hasher, verifier }: OpenLedger['crypto']) {
  try {
    return openCheckpoint({ note, origin, logKey, hasher, verifier });
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/** The key that signed stands in the genesis, which is gone too: what can be read as a head is taken for one. */
function checkGone(community: string, note: Uint8Array, where: string): void {
  let signed: number;
  try {
    signed = parseCheckpoint(parseNote(note).text).size;
  } catch (error) {
    if (error instanceof ProtocolError) return;
    throw error;
  }
  throw behind(community, { has: 0, signed, where });
}

function behind(
  community: string,
  { has, signed, where }: { has: number; signed: number; where: string },
): LedgerError {
  return new LedgerError(
    'store',
    `community ${community}: the database has ${has} entries, but a log of ${signed} was signed (${where}): it is an older ` +
      'copy, or its newest commits are lost; put the newer ledger.db and ledger.db-wal back, for boxes hold receipts for them',
  );
}
