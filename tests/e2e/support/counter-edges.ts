/** What a counter stood at when an interval began, by the page on settlement, from readings alone (SETTLEMENT 2). */

export interface EdgeRules {
  readonly intervalS: number;
  readonly maxSpanS: number;
}

/**
 * The reading nearest to the edge within 1 percent of the interval; else the straight line between the last one before and
 * the first one after, when they are at most `maxSpanS` apart, rounded down. Undefined where neither is there.
 */
export function valueAtEdge(
  readings: ReadonlyMap<number, bigint>,
  edgeS: number,
  rules: EdgeRules,
): bigint | undefined {
  const times = [...readings.keys()].sort((a, b) => a - b);
  const toleranceS = rules.intervalS / 100;
  const near = times
    .filter((timeS) => Math.abs(timeS - edgeS) <= toleranceS)
    .toSorted((a, b) => Math.abs(a - edgeS) - Math.abs(b - edgeS) || a - b);
  if (near[0] !== undefined) return readings.get(near[0]);
  const before = times.findLast((timeS) => timeS < edgeS);
  const after = times.find((timeS) => timeS >= edgeS);
  if (before === undefined || after === undefined || after - before > rules.maxSpanS) return undefined;
  const from = readings.get(before)!;
  return from + ((readings.get(after)! - from) * BigInt(edgeS - before)) / BigInt(after - before);
}

/** What the counter grew by between the first and the last of these edges at which its value is known. */
export function grownBetween(
  readings: ReadonlyMap<number, bigint>,
  edgesS: readonly number[],
  rules: EdgeRules,
): { readonly firstS: number; readonly lastS: number; readonly grown: bigint } {
  const known = edgesS.flatMap((edgeS) => {
    const value = valueAtEdge(readings, edgeS, rules);
    return value === undefined ? [] : [{ edgeS, value }];
  });
  const first = known[0];
  const last = known.at(-1);
  if (first === undefined || last === undefined) throw new Error(`no edge is known from ${readings.size} readings`);
  return { firstS: first.edgeS, lastS: last.edgeS, grown: last.value - first.value };
}
