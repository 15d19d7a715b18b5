/**
 * When a settlement's totals may be shown to everybody (LOG 6.5). A sum over few gives away its parts, and so does the
 * difference of two sums that differ in few.
 */
import type { SettlementLine } from '../../core/records/index.js';

/**
 * Which of an interval's versions, in their order, open their totals: where at least `k` members had a need and `k` an
 * offer, and where none or at least `k` members' inputs changed since each version that was opened before.
 */
export function versionsWithOpenTotals(versions: readonly (readonly SettlementLine[])[], k: number): boolean[] {
  const opened: (readonly SettlementLine[])[] = [];
  return versions.map((lines) => {
    const isOpen = isManyEnough(lines, k) && opened.every((before) => isFarEnough(before, lines, k));
    if (isOpen) opened.push(lines);
    return isOpen;
  });
}

function isManyEnough(lines: readonly SettlementLine[], k: number): boolean {
  const needing = new Set(lines.filter((line) => line.needMwh > 0).map((line) => line.member));
  const offering = new Set(lines.filter((line) => line.offerMwh > 0).map((line) => line.member));
  return needing.size >= k && offering.size >= k;
}

function isFarEnough(before: readonly SettlementLine[], after: readonly SettlementLine[], k: number): boolean {
  const changed = changedMembers(before, after);
  return changed === 0 || changed >= k;
}

/** Members with a need or offer in one version that is another one, or none, in the other. */
function changedMembers(before: readonly SettlementLine[], after: readonly SettlementLine[]): number {
  const inputsBefore = inputsByUnit(before);
  const inputsAfter = inputsByUnit(after);
  const changed = new Set<string>();
  for (const [unit, { member, inputs }] of [...inputsBefore, ...inputsAfter]) {
    const both = [inputsBefore.get(unit)?.inputs ?? '0/0', inputsAfter.get(unit)?.inputs ?? '0/0'];
    if (both[0] !== inputs || both[1] !== inputs) changed.add(member);
  }
  return changed.size;
}

function inputsByUnit(lines: readonly SettlementLine[]) {
  return new Map(
    lines.map((line) => [
      `${line.member}/${line.meter}`,
      { member: line.member, inputs: `${line.needMwh}/${line.offerMwh}` },
    ]),
  );
}
