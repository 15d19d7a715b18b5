/** When to look at the meters. Instants lie on the UTC grid, never so many seconds after the last look: nothing drifts. */
export interface PollGrid {
  readonly intervalS: number;
  /** Seconds between polls inside an interval; 0 polls at edges only. */
  readonly pollS: number;
}

export interface PollDue {
  /** UTC milliseconds. */
  readonly atMs: number;
  /** Whether an interval begins here. */
  readonly isEdge: boolean;
}

/** The first instant after `utcMs` at which to poll: the next edge, or the next point of the finer grid before it. */
export function nextPoll(grid: PollGrid, utcMs: number): PollDue {
  const intervalMs = grid.intervalS * 1000;
  const edgeMs = nextMultiple(intervalMs, utcMs);
  const betweenMs = grid.pollS === 0 ? edgeMs : nextMultiple(grid.pollS * 1000, utcMs);
  return betweenMs < edgeMs ? { atMs: betweenMs, isEdge: false } : { atMs: edgeMs, isEdge: true };
}

/** Whether an edge lies in the half-open time after `fromMs`, up to and including `toMs`. */
export function passesEdge(grid: PollGrid, fromMs: number, toMs: number): boolean {
  return nextMultiple(grid.intervalS * 1000, fromMs) <= toMs;
}

function nextMultiple(stepMs: number, afterMs: number): number {
  return (Math.floor(afterMs / stepMs) + 1) * stepMs;
}
