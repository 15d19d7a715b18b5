/** Which instants a replay stops at, and which intervals it spans. */
import { edgeToleranceS } from '../../core/intervals/edges.js';

export interface Span {
  /** Edges, UTC seconds: the first and the last that a reading may stand for. Equal or turned round: no interval. */
  readonly firstEdgeS: number;
  readonly lastEdgeS: number;
  /** Intervals between the earliest and the latest reading. */
  readonly total: number;
}

/** A reading within 1 percent of the interval from an edge stands for it, so the span is that much wider on both sides. */
export function spanOf({ firstMs, lastMs }: { firstMs: number; lastMs: number }, intervalS: number): Span {
  const toleranceS = edgeToleranceS(intervalS);
  const firstEdgeS = Math.ceil((firstMs / 1_000 - toleranceS) / intervalS) * intervalS;
  const lastEdgeS = Math.floor((lastMs / 1_000 + toleranceS) / intervalS) * intervalS;
  return { firstEdgeS, lastEdgeS, total: Math.max(0, (lastEdgeS - firstEdgeS) / intervalS) };
}

/** The instants of the file and every edge in between, ascending, each once, in UTC milliseconds. */
export function stepsOf(instantsMs: readonly number[], span: Span, intervalS: number): number[] {
  const steps = new Set(instantsMs);
  const first = instantsMs[0] ?? 0;
  const last = instantsMs[instantsMs.length - 1] ?? 0;
  for (let edgeS = span.firstEdgeS; edgeS <= span.lastEdgeS; edgeS += intervalS) {
    // An edge just outside the readings is met by the reading that stands for it.
    if (edgeS * 1_000 > first && edgeS * 1_000 < last) steps.add(edgeS * 1_000);
  }
  return [...steps].sort((a, b) => a - b);
}
