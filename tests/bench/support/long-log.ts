/**
 * A log of any length on the real store, grown through the ledger's own decisions: each entry is a frame's private entry
 * with its salt and opening, 256 in one durable commit with one signed checkpoint. What is left out is what a frame does
 * to readings and intervals, so that the cost of the log itself is seen.
 */
import { randomBytes } from 'node:crypto';
import { frameContent, KIND } from '@commonwatt/firmware-protocol/log';
import type { DataFolder } from '@commonwatt/ledger-service/dist/cli/data-folder.js';
import type { OpenLedger } from '@commonwatt/ledger-service/dist/cli/open-ledger.js';
import type { Decision } from '@commonwatt/ledger-service/dist/core/decision.js';
import { CommunitySession } from '@commonwatt/ledger-service/dist/usecases/community-session.js';
import { COMMUNITY } from './bench-community.js';

export const LEAVES_A_COMMIT = 256;
/** As long as a frame of twelve readings of three counters. */
const MESSAGE_BYTES = 250;

export class LongLog {
  readonly #session: CommunitySession;
  readonly #owners: readonly string[];
  readonly #contents: readonly Uint8Array[];

  constructor(folder: DataFolder, { store, crypto }: OpenLedger, owners: readonly string[]) {
    const keys = folder.keyring();
    this.#session = new CommunitySession({ community: COMMUNITY, store, crypto, logSigner: () => keys(COMMUNITY).log });
    this.#owners = owners;
    this.#contents = owners.map(() => frameContent(1_717_200_000, new Uint8Array(randomBytes(MESSAGE_BYTES))));
  }

  async size(): Promise<number> {
    return (await this.#session.rows()).get('community', '')?.size ?? 0;
  }

  /** Commits of 256 until the log has `size` entries; the last one may be smaller. */
  async growTo(size: number): Promise<void> {
    for (let at = await this.size(); at < size; at += LEAVES_A_COMMIT) {
      await this.append(Math.min(LEAVES_A_COMMIT, size - at));
    }
  }

  /** One durable commit. */
  async append(leaves: number): Promise<void> {
    await this.#session.run({
      decide: (decision) => this.#appendAll(decision, leaves),
      conclude: () => undefined,
    });
  }

  #appendAll(decision: Decision, leaves: number): void {
    for (let i = 0; i < leaves; i++) {
      const at = i % this.#owners.length;
      decision.appendPrivate(KIND.frame, this.#contents[at]!, this.#owners[at]!);
    }
  }
}
