/** Longer names are compared by their beginning only: nobody mistypes more than this. */
const MAX_COMPARED_LENGTH = 64;

/**
 * The candidate with the fewest edits (insert, delete, replace, swap of neighbours) from a wrong name, letter case
 * ignored; the earlier in a tie. Undefined without candidates, or when not one letter would stay in place.
 */
export function nearestName(wrong: string, candidates: readonly string[]): string | undefined {
  const given = wrong.slice(0, MAX_COMPARED_LENGTH).toLowerCase();
  let best: { name: string; distance: number } | undefined;
  for (const name of candidates) {
    const other = name.slice(0, MAX_COMPARED_LENGTH).toLowerCase();
    const distance = editDistance(given, other);
    if (distance >= Math.max(given.length, other.length)) continue;
    if (best === undefined || distance < best.distance) best = { name, distance };
  }
  return best?.name;
}

/** Damerau and Levenshtein, optimal string alignment, with the three newest rows of the table. */
function editDistance(from: string, to: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const cost = from[row - 1] === to[column - 1] ? 0 : 1;
      let edits = Math.min(previous[column]! + 1, current[column - 1]! + 1, previous[column - 1]! + cost);
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        edits = Math.min(edits, beforePrevious[column - 2]! + 1);
      }
      current.push(edits);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[to.length]!;
}
