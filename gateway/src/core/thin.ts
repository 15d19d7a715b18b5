import type { Sample } from './reading.js';

/** A reading this close to an edge is its value as it stands: one hundredth of the interval (9 s of a quarter-hour). */
const WINDOW_PERCENT = 1;

/**
 * Which of the waiting samples may go when the outbox is nearly full: those between edges. For each edge stays the
 * nearest sample in its window (of two the earlier), or where there is none the last before and the first after it, so
 * that no interval loses energy, only resolution. Samples of different meters stand for themselves.
 */
export function thinSamples<T extends Sample>(samples: readonly T[], intervalS: number): T[] {
  const keep = new Set<T>();
  for (const series of groupBySeries(samples).values()) {
    const byTime = series.toSorted((a, b) => a.atS - b.atS);
    for (const [at, sample] of byTime.entries()) {
      const next = byTime[at + 1];
      // Before the first and after the last sample lies an edge whose other neighbour is not here.
      if (at === 0 || next === undefined) keep.add(sample);
      if (next !== undefined) for (const kept of keptBetween(sample, next, intervalS)) keep.add(kept);
    }
  }
  return samples.filter((sample) => !keep.has(sample));
}

/** Of two neighbours: those that the edges between them, or at them, need. */
function keptBetween<T extends Sample>(before: T, after: T, intervalS: number): T[] {
  const kept: T[] = [];
  const windowS = (intervalS * WINDOW_PERCENT) / 100;
  const nearestEdgeS = (atS: number) => Math.round(atS / intervalS) * intervalS;
  const firstEdgeS = nearestEdgeS(before.atS);
  const lastEdgeS = nearestEdgeS(after.atS);
  for (let edgeS = firstEdgeS; edgeS <= lastEdgeS; edgeS += intervalS) {
    const beforeS = Math.abs(edgeS - before.atS);
    const afterS = Math.abs(after.atS - edgeS);
    if (Math.min(beforeS, afterS) <= windowS) {
      kept.push(beforeS <= afterS ? before : after);
    } else if (before.atS < edgeS && edgeS < after.atS) {
      kept.push(before, after);
    }
    if (kept.includes(before) && kept.includes(after)) break;
  }
  return kept;
}

function groupBySeries<T extends Sample>(samples: readonly T[]): Map<string, T[]> {
  const series = new Map<string, T[]>();
  for (const sample of samples) {
    const name = sample.channels.map(({ meterIndex, quantity }) => `${meterIndex}.${quantity}`).join(' ');
    const known = series.get(name);
    if (known === undefined) series.set(name, [sample]);
    else known.push(sample);
  }
  return series;
}
