/** All communities of one service, each with its own log. */
import type { Signer } from '@commonwatt/firmware-protocol';
import { isValidId } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../core/errors.js';
import { decideGenesis } from '../core/submit.js';
import { CommunityLedger } from './community-ledger.js';
import { CommunitySession } from './community-session.js';
import type { Clock, CommunityKeys, Crypto, LedgerStore, Pause } from './ports.js';

export interface LedgerDeps {
  readonly store: LedgerStore;
  readonly clock: Clock;
  readonly crypto: Crypto;
  /** Between two shares of settlements; without it they follow each other at once. */
  readonly pause?: Pause;
  /** Throws LedgerError 'config' when the keys of a community are not here. */
  keysOf(community: string): CommunityKeys;
}

export class Ledger {
  readonly #deps: LedgerDeps;
  readonly #open = new Map<string, CommunityLedger>();

  constructor(deps: LedgerDeps) {
    this.#deps = deps;
  }

  communities(): Promise<readonly string[]> {
    return this.#deps.store.communities();
  }

  /** Throws 'not-found' for a community without a log. */
  async community(id: string): Promise<CommunityLedger> {
    const known = this.#open.get(id);
    if (known !== undefined) return known;
    if (!isValidId(id) || (await this.#deps.store.size(id)) === 0) {
      throw new LedgerError('not-found', `no community ${JSON.stringify(id.slice(0, 80))}`);
    }
    return this.#remember(id, this.#session(id));
  }

  /** Begins a community's log with its genesis, signed by the operator it names. */
  async create({ community, genesisCose }: { community: string; genesisCose: Uint8Array }): Promise<CommunityLedger> {
    const { crypto, clock } = this.#deps;
    const session = this.#session(community);
    await session.run({
      decide: (decision) =>
        decideGenesis(decision, genesisCose, {
          verifier: crypto.verifier,
          nowS: Math.floor(clock.nowMs() / 1000),
          drawKey: () => crypto.randomBytes(32),
        }),
      conclude: () => undefined,
    });
    return this.#remember(community, session);
  }

  #session(community: string): CommunitySession {
    const { store, crypto } = this.#deps;
    const logSigner = (): Signer => this.#deps.keysOf(community).log;
    return new CommunitySession({ community, store, crypto, logSigner });
  }

  #remember(id: string, session: CommunitySession): CommunityLedger {
    const { clock, crypto, store, pause } = this.#deps;
    const keys = () => this.#deps.keysOf(id);
    // Two callers may have come at once: the first one's session serves both.
    const community =
      this.#open.get(id) ?? new CommunityLedger({ session, clock, crypto, store, keys, ...(pause && { pause }) });
    this.#open.set(id, community);
    return community;
  }
}
