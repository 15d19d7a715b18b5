/** From what was decided to the bytes that go out: proofs, signatures, and who is answered at all. */
import { encodeAnswer, keyId, sealAnswer, VERDICT } from '@commonwatt/firmware-protocol';
import type { Decision } from '../core/decision.js';
import { LedgerError } from '../core/errors.js';
import type { AnswerDraft } from '../core/ingest/answer-draft.js';
import { indexKey } from '../core/rows.js';
import { NeedRows, type RowRef } from '../core/working-set.js';
import type { CommunitySession, Concluded } from './community-session.js';
import type { CommunityKeys, Crypto, LedgerStore } from './ports.js';

/** To be published on the gateway's answer topic. */
export interface OutgoingAnswer {
  readonly gateway: string;
  readonly bytes: Uint8Array;
}

export class AnswerWriter {
  readonly #session: CommunitySession;
  readonly #crypto: Crypto;
  readonly #store: LedgerStore;
  readonly #keys: () => CommunityKeys;

  constructor(input: { session: CommunitySession; crypto: Crypto; store: LedgerStore; keys: () => CommunityKeys }) {
    this.#session = input.session;
    this.#crypto = input.crypto;
    this.#store = input.store;
    this.#keys = input.keys;
  }

  async writeAll(drafts: readonly AnswerDraft[]): Promise<readonly OutgoingAnswer[]> {
    const answers: OutgoingAnswer[] = [];
    for (const draft of drafts) {
      const { gateway, answer, proof } = draft;
      // Receipts are all but a few, and nothing has to be fetched for one.
      const isReceipt = answer.code === VERDICT.accepted && draft.isGrant !== true;
      answers.push({ gateway, bytes: isReceipt ? encodeAnswer(answer, proof) : await this.#write(draft) });
    }
    return answers;
  }

  /** Throws 'invariant' where the store lacks it. */
  async leafData(index: number): Promise<Uint8Array> {
    const [leaf] = await this.#store.read(this.#session.community, [{ table: 'leaf', key: indexKey(index) }]);
    if (!(leaf instanceof Uint8Array)) throw new LedgerError('invariant', `entry ${index} has no leaf`);
    return leaf;
  }

  /** Grants prove themselves, as receipts do; every other answer is signed with the answer key. */
  async #write({ answer, proof }: AnswerDraft): Promise<Uint8Array> {
    if (answer.code === VERDICT.accepted) {
      return encodeAnswer({ ...answer, leafData: await this.leafData(answer.index!) }, proof);
    }
    const signer = this.#keys().answer;
    const kid = keyId(this.#crypto.hasher, signer.publicKey);
    const { origin } = (await this.#session.rows()).get('community', '')!.genesis;
    return sealAnswer({ answer, origin, kid, signer });
  }
}

/** With the root signed, every answer that proves something gets its path to it. */
export function attachProofs(
  decision: Decision,
  drafts: readonly AnswerDraft[],
  { checkpoint }: Concluded,
): readonly AnswerDraft[] {
  const missing: RowRef[] = [];
  const proved = drafts.map((draft) => {
    const { gateway, answer, outcome, isGrant = false } = draft;
    if (answer.code !== VERDICT.accepted) return draft;
    try {
      return { gateway, answer, outcome, isGrant, proof: { checkpoint, path: decision.log.proof(answer.index!) } };
    } catch (error) {
      if (!(error instanceof NeedRows)) throw error;
      missing.push(...error.rows);
      return draft;
    }
  });
  // Of all answers at once: each by itself would be a decision begun anew.
  if (missing.length > 0) throw new NeedRows(missing);
  return proved;
}

/** Codes whose sender nobody knows: their answers are signed for anybody who sends bytes. */
const STRANGER_CODES: readonly number[] = [VERDICT.malformed, VERDICT['unknown-key']];

/** Everybody who is enrolled is answered; strangers as far as the budget of signatures goes (PROTOCOL 5.5). */
export function withinBudget(
  drafts: readonly AnswerDraft[],
  budget: number,
): { heard: readonly AnswerDraft[]; toStrangers: number } {
  let toStrangers = 0;
  const heard = drafts.filter(({ answer }) => {
    if (!STRANGER_CODES.includes(answer.code)) return true;
    if (toStrangers >= budget) return false;
    toStrangers += 1;
    return true;
  });
  return { heard, toStrangers };
}

export function countOutcomes(drafts: readonly AnswerDraft[]) {
  const counts = { accepted: 0, known: 0, refused: 0, parked: 0 };
  for (const { outcome } of drafts) counts[outcome] += 1;
  const { accepted, known: duplicate, refused, parked } = counts;
  return { accepted, duplicate, refused, parked };
}
