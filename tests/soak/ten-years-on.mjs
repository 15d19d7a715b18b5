/** Loaded before a program: its clock stands ten years ahead. */
const AHEAD_MS = 10 * 365.25 * 86_400_000;
const Real = Date;

globalThis.Date = class extends Real {
  constructor(...given) {
    if (given.length === 0) super(Real.now() + AHEAD_MS);
    else super(...given);
  }

  static now() {
    return Real.now() + AHEAD_MS;
  }
};
