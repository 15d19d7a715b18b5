/** Gaps that nobody closed in 48 hours: the ledger writes them into the log and the chain goes on behind them. */
import { cborMap, fromHex, overdueGap } from '@commonwatt/firmware-protocol';
import { KIND } from '@commonwatt/firmware-protocol/log';
import type { Decision } from '../decision.js';
import { foldGap, withParked } from '../fold/frames.js';
import type { AnswerDraft } from './answer-draft.js';
import { decideParked } from './frames.js';

/** Answers for the parked frames that are accepted now. */
export function closeOverdueGaps(decision: Decision, nowS: number): readonly AnswerDraft[] {
  return decision.parkedKids().flatMap((kid) => {
    const row = decision.rows.get('sequence', kid)!;
    const claim = overdueGap(withParked(row, decision.parked(kid)), nowS);
    if (claim === undefined) return [];
    const body = cborMap([
      [1, fromHex(kid)],
      [2, claim.epoch],
      [3, claim.first],
      [4, claim.last],
      [5, claim.expectedPrevious],
      [6, claim.nextPrevious],
    ]);
    decision.appendPublic(KIND.gap, body);
    foldGap(decision.rows, kid, claim);
    return decideParked(decision, kid);
  });
}
