/** Keys of rows are texts that are asked for thousands of times a second and always the same: made once, kept for a while. */

/** Beyond so many, all are made anew. */
const MAX_KEPT = 16_384;
const MAX_KEPT_OF_ONE = 64;

/** `make` by a number. */
export function keptByNumber(make: (n: number) => string): (n: number) => string {
  const kept = new Map<number, string>();
  return (n) => {
    const known = kept.get(n);
    if (known !== undefined) return known;
    if (kept.size >= MAX_KEPT) kept.clear();
    const made = make(n);
    kept.set(n, made);
    return made;
  };
}

/** `make` by a name and a number. */
export function keptByName(make: (name: string, n: number) => string): (name: string, n: number) => string {
  const kept = new Map<string, Map<number, string>>();
  return (name, n) => {
    let ofName = kept.get(name);
    if (ofName === undefined) {
      if (kept.size >= MAX_KEPT) kept.clear();
      ofName = new Map();
      kept.set(name, ofName);
    }
    const known = ofName.get(n);
    if (known !== undefined) return known;
    if (ofName.size >= MAX_KEPT_OF_ONE) ofName.clear();
    const made = make(name, n);
    ofName.set(n, made);
    return made;
  };
}
