/** What the genesis fixed, in the shapes the arithmetic wants. */
import type { IntervalSettings } from './intervals/edges.js';
import { type CommunitySettings, OUTAGE_POLICY } from './records/index.js';
import type { CommunityRow, RulesRow } from './rows.js';
import type { Rows } from './working-set.js';

export function intervalSettings({ genesis }: CommunityRow): IntervalSettings {
  const { maxSpanS, outagePolicy } = genesis.settings;
  return { intervalS: genesis.intervalS, maxSpanS, estimatesOutages: outagePolicy === OUTAGE_POLICY.estimate };
}

/** How long after its end an interval waits for those who have no edges yet, seconds. */
export function waitsS({ outagePolicy, settleAfterS, graceS }: CommunitySettings): number {
  return outagePolicy === OUTAGE_POLICY.wait ? graceS : settleAfterS;
}

/** The rules in force at an interval's start: the latest to begin, and of those the newest. Undefined before the first. */
export function rulesAt(rows: Rows, startS: number): RulesRow | undefined {
  let found: RulesRow | undefined;
  for (const [, rule] of rows.all('rules')) {
    if (rule.firstIntervalS <= startS && (found === undefined || rule.firstIntervalS >= found.firstIntervalS))
      found = rule;
  }
  return found;
}
