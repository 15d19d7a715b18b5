import { channelName, type Sample } from './reading.js';

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
    const atEdge = nearestByEdge(byTime, intervalS);
    for (const sample of atEdge.values()) keep.add(sample);
    for (const [at, sample] of byTime.entries()) {
      const next = byTime[at + 1];
      // Before the first and after the last sample lies an edge whose other neighbour is not here.
      if (at === 0 || next === undefined) keep.add(sample);
      if (next === undefined || !missesAnEdge(sample, next, { intervalS, atEdge })) continue;
      keep.add(sample);
      keep.add(next);
    }
  }
  return samples.filter((sample) => !keep.has(sample));
}

/** The sample that is the value of each edge as it stands. */
function nearestByEdge<T extends Sample>(byTime: readonly T[], intervalS: number): Map<number, T> {
  const windowS = (intervalS * WINDOW_PERCENT) / 100;
  const nearest = new Map<number, T>();
  for (const sample of byTime) {
    const edgeS = Math.round(sample.atS / intervalS) * intervalS;
    const distanceS = Math.abs(sample.atS - edgeS);
    const known = nearest.get(edgeS);
    if (distanceS <= windowS && (known === undefined || distanceS < Math.abs(known.atS - edgeS))) {
      nearest.set(edgeS, sample);
    }
  }
  return nearest;
}

/** Whether an edge between two neighbours has no value of its own, so that it is interpolated from them. */
function missesAnEdge<T extends Sample>(
  before: T,
  after: T,
  { intervalS, atEdge }: { readonly intervalS: number; readonly atEdge: ReadonlyMap<number, T> },
): boolean {
  for (let edgeS = (Math.floor(before.atS / intervalS) + 1) * intervalS; edgeS < after.atS; edgeS += intervalS) {
    if (!atEdge.has(edgeS)) return true;
  }
  return false;
}

function groupBySeries<T extends Sample>(samples: readonly T[]): Map<string, T[]> {
  const series = new Map<string, T[]>();
  for (const sample of samples) {
    const name = sample.channels.map(channelName).join(' ');
    const known = series.get(name);
    if (known === undefined) series.set(name, [sample]);
    else known.push(sample);
  }
  return series;
}
