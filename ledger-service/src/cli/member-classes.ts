/** The classes of members, as the command line calls them, and what their connection to the grid carries at most. */
import type { MemberClass } from '../core/records/index.js';

export const MEMBER_CLASSES = { household: 1, commons: 2, commercial: 3 } as const satisfies Record<
  string,
  MemberClass
>;
export type MemberClassName = keyof typeof MEMBER_CLASSES;
export const MEMBER_CLASS_NAMES = Object.keys(MEMBER_CLASSES) as MemberClassName[];

/**
 * Watts that are believed of a meter where nobody named its limit: a household's main fuses of 3 x 63 A at 230 V (43.5 kW),
 * and 3 x 400 A (276 kW) for the others, rounded up. Without any limit a broken meter could claim whatever it likes.
 */
export const DEFAULT_LIMITS_W: Readonly<Record<MemberClassName, number>> = {
  household: 44_000,
  commons: 280_000,
  commercial: 280_000,
};
