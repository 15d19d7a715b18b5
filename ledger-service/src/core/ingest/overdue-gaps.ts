/** Gaps that nobody closed in 48 hours: the ledger writes them into the log and the chain goes on behind them. */
import { fromHex, overdueGap } from '@commonwatt/firmware-protocol';
import type { Decision } from '../decision.js';
import { foldGap, withParked } from '../fold/frames.js';
import { encodeGap } from '../records/index.js';
import type { AnswerDraft } from './answer-draft.js';
import { decideParked } from './frames.js';

/** Answers for the parked frames that are accepted now. */
export function closeOverdueGaps(decision: Decision, nowS: number): readonly AnswerDraft[] {
  return decision.parkedKids().flatMap((kid) => closeGapsOf(decision, kid, nowS));
}

/** One gap after the other: what follows the first may have waited as long. */
function closeGapsOf(decision: Decision, kid: string, nowS: number): readonly AnswerDraft[] {
  if (isEnded(decision, kid)) {
    decision.forgetWaiting(kid);
    return [];
  }
  // What another writer's commit brought the turn of.
  const answers = [...decideParked(decision, kid)];
  for (;;) {
    const row = decision.rows.get('sequence', kid)!;
    const claim = overdueGap(withParked(row, decision.parked(kid)), nowS);
    if (claim === undefined) return answers;
    decision.append(encodeGap({ kid: fromHex(kid), ...claim }));
    foldGap(decision.rows, kid, claim);
    answers.push(...decideParked(decision, kid));
  }
}

function isEnded(decision: Decision, kid: string): boolean {
  return (
    decision.rows.get('device', kid)?.revokedIndex !== undefined || decision.rows.get('sequence', kid)!.state.forked
  );
}
