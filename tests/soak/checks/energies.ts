/** What every meter was booked with is what its counter grew by: to the mWh by its own readings, and by what really happened. */
import { readFileSync } from 'node:fs';
import type { Settlement } from '../../e2e/support/co-op.js';
import { type EdgeRules, grownBetween } from '../../e2e/support/counter-edges.js';
import { countersOf } from '../../e2e/support/frame-reader.js';
import { expectThat } from '../expect-that.js';
import { INTERVAL_S, MAX_SPAN_S, SPEED } from '../street.js';
import type { Box, World } from '../world.js';
import type { SignedFrame } from './chains.js';

/** With netting `none` a line's need is the import of its meter, its offer the export. */
const NETTED = [
  ['import', 'need_kwh', 1],
  ['export', 'offer_kwh', 2],
] as const;
const RULES: EdgeRules = { intervalS: INTERVAL_S, maxSpanS: MAX_SPAN_S };
/** Registers of float32 count in steps of about a Wh. */
const COARSE_MWH = 4_000n;
/** A reading carries the second in which it was asked for; the machine may hold the answer back for this long. */
const LATE_S = 10 * SPEED;

export interface EnergySums {
  readonly channels: number;
  readonly readings: number;
  readonly bookedMwh: bigint;
}

/** `settlements`: the newest one of each interval between the first and the last edge, in order. */
export function checkEnergies(
  world: World,
  found: { frames: readonly SignedFrame[]; settlements: readonly Settlement[]; lastS: number; truthFile: string },
): EnergySums {
  const truth = readTruth(found.truthFile);
  const booked = sumsByMeter(found.settlements);
  let readings = 0;
  let channels = 0;
  let bookedMwh = 0n;
  for (const box of world.boxes) {
    const own = found.frames.filter(({ home }) => home === box.home).map(({ message }) => message);
    const counters = [...countersOf(own).values()][0]!;
    for (const [register, field, quantity] of NETTED) {
      const values = inMwh(counters[register], box, quantity);
      const name = `${box.home} ${register}`;
      const sum = booked.get(`${box.file.meters[0]!.id} ${field}`) ?? 0n;
      const curve = truth.get(name);
      if (curve === undefined) {
        // A home without sun has no export to count; its meter may still show a register that stands.
        expectThat(register === 'export', `${name}: the truth file has no such counter`);
        expectThat(sum === 0n && new Set(values.values()).size <= 1, `${name}: booked ${sum} mWh, and there is no sun`);
        continue;
      }
      channels += 1;
      checkReadings(name, values, { curve, truthS: world.times.truthS, slackMwh: resolutionOf(box) });
      checkSum(name, sum, {
        values,
        curve,
        startS: world.times.startS,
        lastS: found.lastS,
        slackMwh: resolutionOf(box),
      });
      readings += values.size;
      bookedMwh += sum;
    }
  }
  expectThat(bookedMwh > 0n, 'nothing at all was booked');
  return { channels, readings, bookedMwh };
}

interface Counter {
  readonly curve: ReadonlyMap<number, bigint>;
  readonly slackMwh: bigint;
}

/** The sum of all intervals against the counter's difference between first and last edge. */
function checkSum(
  name: string,
  sum: bigint,
  {
    values,
    curve,
    startS,
    lastS,
    slackMwh,
  }: Counter & { values: ReadonlyMap<number, bigint>; startS: number; lastS: number },
): void {
  const edges = Array.from({ length: (lastS - startS) / INTERVAL_S + 1 }, (_, at) => startS + at * INTERVAL_S);
  const known = grownBetween(values, [edges[0]!, edges.at(-1)!], RULES);
  const reach = `${known.firstS} to ${known.lastS}`;
  expectThat(reach === `${startS} to ${lastS}`, `${name}: edges are known from ${reach}, not ${startS} to ${lastS}`);
  expectThat(sum === known.grown, `${name}: booked ${sum} mWh, by its readings the counter grew by ${known.grown}`);
  const [first, last] = [curve.get(startS), curve.get(lastS)];
  expectThat(first !== undefined && last !== undefined, `${name}: the truth file lacks the first or the last edge`);
  const off = sum - (last - first);
  const isTrue = (off < 0n ? -off : off) <= slackMwh;
  expectThat(isTrue, `${name}: booked ${sum} mWh, in truth the counter grew by ${last - first}`);
}

/** Counters only rise: a reading lies between what was true a little before and a little after its second. */
function checkReadings(
  name: string,
  values: ReadonlyMap<number, bigint>,
  { curve, truthS, slackMwh }: Counter & { truthS: number },
): void {
  for (const [timeS, value] of values) {
    const before = curve.get(Math.floor((timeS - LATE_S) / truthS) * truthS);
    const after = curve.get(Math.ceil((timeS + LATE_S) / truthS) * truthS);
    const isLow = before !== undefined && value < before - slackMwh;
    const isHigh = after !== undefined && value > after + slackMwh;
    expectThat(
      !isLow && !isHigh,
      `${name}: read ${value} mWh at ${timeS}, in truth ${before} before and ${after} after`,
    );
  }
}

function resolutionOf({ file }: Box): bigint {
  return file.meters[0]!.profile === 'reference' ? 0n : COARSE_MWH;
}

function inMwh(values: ReadonlyMap<number, bigint>, box: Box, quantity: number): ReadonlyMap<number, bigint> {
  const channel = box.file.meters[0]!.channels.find((one) => one.quantity === quantity);
  const unitMwh = 10n ** BigInt((channel?.exponent ?? 0) + 3);
  return new Map([...values].map(([timeS, value]) => [timeS, value * unitMwh]));
}

/** Booked mWh by meter and field. */
function sumsByMeter(settlements: readonly Settlement[]): ReadonlyMap<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const { lines } of settlements) {
    for (const line of lines) {
      for (const [, field] of NETTED) {
        const key = `${line.meter} ${field}`;
        sums.set(key, (sums.get(key) ?? 0n) + millionths(line[field]));
      }
    }
  }
  return sums;
}

/** Counters in mWh by home and register, then by second. */
function readTruth(file: string): ReadonlyMap<string, ReadonlyMap<number, bigint>> {
  const curves = new Map<string, Map<number, bigint>>();
  for (const row of readFileSync(file, 'utf8').trim().split('\n').slice(1)) {
    const [time = '', home, meter, register, kwh = ''] = row.split(',');
    if (meter !== '0') continue;
    const name = `${home} ${register}`;
    const curve = curves.get(name) ?? new Map<number, bigint>();
    curves.set(name, curve);
    curve.set(Date.parse(time) / 1_000, millionths(kwh));
  }
  return curves;
}

/** A decimal with six places as a whole number. */
function millionths(decimal: string): bigint {
  return BigInt(decimal.replace('.', ''));
}
