const LOOK_EVERY_MS = 20;

/** Looks until the condition gives something other than false or undefined, and returns it. Throws with `what` when time is up. */
export async function until<T>(
  what: string,
  withinMs: number,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await pauseMs(LOOK_EVERY_MS);
  }
}

/** For spreading work over time; never instead of a condition. */
export function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
