import { type Profile, type RegisterType, toStringWords, toWords } from '@commonwatt/firmware-protocol/registers';
import type { DeviceState } from './device-state.js';
import { RegisterImage } from './register-image.js';

/** The registers that exist on an Eastron meter: 30001 to 30088, 30201 to 30208 and 30343 to 30388. */
const EASTRON_RANGES = [
  { address: 0, count: 88 },
  { address: 200, count: 8 },
  { address: 342, count: 46 },
];
const MAINS_V = 230;
const MAINS_HZ = 50;

/** The registers of a meter whose points stand at fixed addresses. `serial` is an unsigned 32-bit number. */
export function tableImage(profile: Profile, state: DeviceState, serial: number): RegisterImage {
  const words = new Map<number, readonly number[]>();
  const isEastron = profile.name.startsWith('eastron');
  if (isEastron) for (const [address, value] of eastronExtras(state)) words.set(address, toWords('float32', value));
  for (const { quantity, point, unitExponent } of profile.channels) {
    const energyMwh = state.countersMwh.get(quantity) ?? 'absent';
    words.set(point.address, counterWords(point.type, energyMwh, unitExponent));
  }
  for (const { point } of profile.powers) words.set(point.address, powerWords(point.type, state.gridMw));
  const ranges = isEastron ? EASTRON_RANGES : [{ address: 0, count: 24 }];
  const serialAt = profile.serial;
  if (serialAt === undefined) return new RegisterImage(segments(profile, ranges, words));
  const serialWords = toWords('uint32', serial >>> 0);
  if (serialAt.everyCycle) words.set(serialAt.address, serialWords);
  const apart = { functionCode: serialAt.function, address: serialAt.address, words: serialWords };
  return new RegisterImage([...segments(profile, ranges, words), ...(serialAt.everyCycle ? [] : [apart])]);
}

/** SunSpec's texts of model 1, shared by every device of the street. */
export function commonModelBody({ model, serial }: { model: string; serial: number }): number[] {
  return [
    ...toStringWords('Commonwatt', 16),
    ...toStringWords(model, 16),
    ...toStringWords('', 8),
    ...toStringWords('0.1.0', 8),
    ...toStringWords(String(serial >>> 0), 16),
    1,
    0x8000,
  ];
}

function counterWords(type: RegisterType, energyMwh: number | 'absent', unitExponent: number): number[] {
  if (energyMwh === 'absent') return toWords(type, 'absent');
  if (type === 'float32') return toWords(type, energyMwh / 10 ** (unitExponent + 3));
  return toWords(type, BigInt(energyMwh) / 10n ** BigInt(unitExponent + 3));
}

function powerWords(type: RegisterType, powerMw: number | 'absent'): number[] {
  if (powerMw === 'absent') return toWords(type, 'absent');
  return toWords(type, type === 'float32' ? powerMw / 1000 : Math.round(powerMw / 1000));
}

/** What no profile reads, so that any other program that is pointed at the meter sees a meter. */
function eastronExtras(state: DeviceState): [number, number][] {
  const watts = state.gridMw === 'absent' ? 0 : state.gridMw / 1000;
  const totalMwh = [...state.countersMwh.values()].reduce<number>((sum, one) => sum + (one === 'absent' ? 0 : one), 0);
  return [
    [0, MAINS_V],
    [6, Math.abs(watts) / MAINS_V],
    [12, watts],
    [70, MAINS_HZ],
    [342, totalMwh / 1e6],
  ];
}

function segments(
  profile: Profile,
  ranges: readonly { address: number; count: number }[],
  words: ReadonlyMap<number, readonly number[]>,
): { functionCode: 3 | 4; address: number; words: number[] }[] {
  return ranges.map(({ address, count }) => {
    const run = new Array<number>(count).fill(0);
    for (const [at, value] of words) {
      if (at >= address && at + value.length <= address + count) run.splice(at - address, value.length, ...value);
    }
    return { functionCode: profile.function, address, words: run };
  });
}
