import { Quantity } from '@commonwatt/firmware-protocol';
import { toWords } from '@commonwatt/firmware-protocol/registers';
import type { DeviceState } from './device-state.js';
import { RegisterImage } from './register-image.js';
import { commonModelBody } from './table-image.js';

/** What stands in the chain of one SunSpec device, and how it is scaled. */
export interface SunSpecShape {
  readonly base: 0 | 40000 | 50000;
  readonly serial: number;
  readonly inverter: boolean;
  readonly meter: boolean;
  /** The counters' scale factor: raw = Wh / 10^energyScale. */
  readonly energyScale: number;
}

const NONE_INT16 = 0x8000;
const NONE_UINT16 = 0xffff;
const MPPT = 4;
const SLEEPING = 2;
/** int16 holds 32767; the factor steps aside above that, as it does on real inverters. */
const MAX_UNSCALED_W = 32_000;
const ACC32_SPAN = 1n << 32n;

/** SunSpec: "SunS", model 1, [103], [1], [203], end. Points that nobody simulates hold their sentinels. */
export function sunSpecImage(state: DeviceState, shape: SunSpecShape): RegisterImage {
  const models: number[][] = [];
  if (shape.inverter) {
    models.push(model(1, commonModelBody({ model: 'Simulated inverter', serial: shape.serial })));
    models.push(model(103, inverterBody(state, shape.energyScale)));
  }
  if (shape.meter) {
    models.push(model(1, commonModelBody({ model: 'Simulated meter', serial: shape.serial + 1 })));
    models.push(model(203, meterBody(state, shape.energyScale)));
  }
  const words = [0x5375, 0x6e53, ...models.flat(), 0xffff, 0];
  return new RegisterImage([{ functionCode: 3, address: shape.base, words }]);
}

function model(id: number, body: readonly number[]): number[] {
  return [id, body.length, ...body];
}

/** Offsets count from the ID register, as the model definitions do; the body begins at offset 2. */
function put(body: number[], offset: number, words: readonly number[]): void {
  body.splice(offset - 2, words.length, ...words);
}

function inverterBody(state: DeviceState, energyScale: number): number[] {
  const body = new Array<number>(50).fill(NONE_INT16);
  const power = scaledPower(state.generationMw);
  for (const offset of [2, 3, 4, 5, 7, 8, 9, 27, 29]) put(body, offset, [NONE_UINT16]);
  put(body, 10, [2300, 2300, 2300, 0xffff]);
  put(body, 14, [...power.words, power.scale]);
  put(body, 16, [5000, 0xfffe]);
  put(body, 24, [...counterWords(state.countersMwh.get(Quantity.generation), energyScale), energyScale & 0xffff]);
  put(body, 33, [250, NONE_INT16, NONE_INT16, NONE_INT16, 0xffff]);
  put(body, 38, [state.generationMw === 'absent' || state.generationMw === 0 ? SLEEPING : MPPT, NONE_UINT16]);
  put(body, 40, new Array<number>(12).fill(0));
  return body;
}

function meterBody(state: DeviceState, energyScale: number): number[] {
  const body = new Array<number>(105).fill(NONE_INT16);
  const power = scaledPower(state.gridMw);
  put(body, 8, [2300, 2300, 2300]);
  put(body, 15, [0xffff, 5000, 0xfffe]);
  put(body, 18, power.words);
  put(body, 22, [power.scale]);
  put(body, 38, new Array<number>(16).fill(0));
  put(body, 38, counterWords(state.countersMwh.get(Quantity.gridExport), energyScale));
  put(body, 46, counterWords(state.countersMwh.get(Quantity.gridImport), energyScale));
  put(body, 54, [energyScale & 0xffff]);
  put(body, 55, new Array<number>(16).fill(0));
  put(body, 72, new Array<number>(32).fill(0));
  put(body, 105, [0, 0]);
  return body;
}

/** acc32, unsigned, runs over at 2^32 raw units; absent is written as 0. */
function counterWords(energyMwh: number | 'absent' | undefined, energyScale: number): number[] {
  if (energyMwh === undefined || energyMwh === 'absent') return toWords('acc32', 'absent');
  const wattHours = BigInt(energyMwh) / 1000n;
  const raw = energyScale >= 0 ? wattHours / 10n ** BigInt(energyScale) : wattHours * 10n ** BigInt(-energyScale);
  return toWords('acc32', raw % ACC32_SPAN);
}

function scaledPower(powerMw: number | 'absent'): { words: number[]; scale: number } {
  if (powerMw === 'absent') return { words: [NONE_INT16], scale: 0 };
  const watts = powerMw / 1000;
  const scale = Math.abs(watts) < MAX_UNSCALED_W / 10 ? -1 : Math.abs(watts) < MAX_UNSCALED_W ? 0 : 2;
  const raw = Math.round(scale < 0 ? watts * 10 : watts / 10 ** scale);
  return { words: toWords('int16', Math.max(-32_767, Math.min(32_767, raw))), scale: scale & 0xffff };
}
