import { isAbsolute } from 'node:path';
import type { DeviceFault } from '../devices/device.js';
import { SimError } from '../errors.js';
import { Fields } from '../fields.js';
import { MAX_DELAY_MS } from '../modbus/fault.js';
import { parseEnergy } from '../replay/row.js';
import { type Location, MAX_HOMES, parseHomes, parseLocation, type ScenarioHome } from '../street/scenario.js';

/** Everything a parent can ask for. */
export type Request =
  | {
      readonly kind: 'street';
      /** Without it, the built-in street. */
      readonly homes?: readonly ScenarioHome[];
      /** The first so many of the built-in street, and more like them. */
      readonly count?: number;
      readonly location?: Location;
      readonly seed?: number;
      readonly intervalMs: number;
      readonly stateFile?: string;
    }
  | { readonly kind: 'load'; readonly file: string; readonly intervalMs: number }
  | { readonly kind: 'clock'; readonly baseMs: number; readonly startNs: bigint; readonly speed: number }
  | { readonly kind: 'now'; readonly timeMs: number }
  | { readonly kind: 'stats' }
  | { readonly kind: 'truth'; readonly file: string }
  | {
      readonly kind: 'fault';
      readonly home: string;
      readonly device: number;
      /** Undefined heals. */
      readonly fault: DeviceFault | undefined;
      readonly count?: number;
    }
  | { readonly kind: 'stop' };

/** A request with the number that its answer carries. */
export interface NumberedRequest {
  readonly id: number;
  readonly request: Request;
}

const KINDS = ['street', 'load', 'clock', 'now', 'stats', 'truth', 'fault', 'stop'] as const;
const FAULTS = [
  'none',
  'silence',
  'late',
  'exception',
  'truncated',
  'wrong-transaction',
  'garbage',
  'disconnect',
  'refuse',
  'zeros',
  'sentinels',
  'step-back',
  'leap',
  'frozen',
  'scale-factor',
] as const;

/** 1970 to 9999: what an ISO timestamp can say. */
const TIME_BOUNDS = { min: 0, max: 253_402_300_799_999 };
const INTERVAL_BOUNDS = { min: 10, max: 86_400 };
const DEFAULT_INTERVAL_S = 900;
const MAX_SPEED = 100_000;
const MAX_PATH = 4096;
const MAX_SEED = 0xffff_ffff;
const MAX_FAULT_COUNT = 1_000_000;
const DEFAULT_DELAY_MS = 2000;
const DEFAULT_LIE = '100';

/** The id of a line that may not be a request at all; null where it has none. */
export function idOf(value: unknown): number | null {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined;
  return Number.isSafeInteger(id) ? (id as number) : null;
}

/** Untrusted: one line. Throws `bad-request`, or `bad-scenario` for the homes of a street. */
export function parseRequest(value: unknown): NumberedRequest {
  const kind = new Fields(value, 'request', 'bad-request', Object.keys(Object(value))).oneOf('do', KINDS);
  const fields = new Fields(value, `request ${kind}`, 'bad-request', ['id', 'do', ...KEYS[kind]]);
  return { id: fields.integer('id', { min: 0, max: Number.MAX_SAFE_INTEGER }), request: PARSERS[kind](fields) };
}

const KEYS: Readonly<Record<Request['kind'], readonly string[]>> = {
  street: ['homes', 'count', 'location', 'seed', 'interval_s', 'state_file'],
  load: ['file', 'interval_s'],
  clock: ['base_ms', 'start_ns', 'speed'],
  now: ['t_ms'],
  stats: [],
  truth: ['file'],
  fault: ['home', 'device', 'fault', 'count', 'delay_ms', 'code', 'kwh'],
  stop: [],
};

const PARSERS: Readonly<Record<Request['kind'], (fields: Fields) => Request>> = {
  street: parseStreet,
  load: (fields) => ({ kind: 'load', file: parsePath(fields, 'file'), intervalMs: parseInterval(fields) }),
  clock: parseClock,
  now: (fields) => ({ kind: 'now', timeMs: fields.integer('t_ms', TIME_BOUNDS) }),
  stats: () => ({ kind: 'stats' }),
  truth: (fields) => ({ kind: 'truth', file: parsePath(fields, 'file') }),
  fault: (fields) => ({
    kind: 'fault',
    home: fields.text('home', 64),
    device: fields.has('device') ? fields.integer('device', { min: 0, max: 1 }) : 0,
    fault: parseFault(fields),
    ...(fields.has('count') ? { count: fields.integer('count', { min: 1, max: MAX_FAULT_COUNT }) } : {}),
  }),
  stop: () => ({ kind: 'stop' }),
};

function parseStreet(fields: Fields): Request {
  return {
    kind: 'street',
    ...(fields.has('homes') ? { homes: parseHomes(fields.raw('homes'), 'request street: homes') } : {}),
    ...(fields.has('count') ? { count: fields.integer('count', { min: 1, max: MAX_HOMES }) } : {}),
    ...(fields.has('location') ? { location: parseLocation(fields.raw('location'), 'request street: location') } : {}),
    ...(fields.has('seed') ? { seed: fields.integer('seed', { min: 0, max: MAX_SEED }) } : {}),
    ...(fields.has('state_file') ? { stateFile: parsePath(fields, 'state_file') } : {}),
    intervalMs: parseInterval(fields),
  };
}

function parseClock(fields: Fields): Request {
  const startNs = fields.text('start_ns', 20);
  if (!/^\d{1,19}$/.test(startNs)) {
    throw new SimError('bad-request', `request clock: start_ns: expected nanoseconds as digits, got ${startNs}`);
  }
  return {
    kind: 'clock',
    baseMs: fields.integer('base_ms', TIME_BOUNDS),
    startNs: BigInt(startNs),
    speed: fields.number('speed', { min: 0, max: MAX_SPEED }),
  };
}

/** Edges are whole steps of the simulation. */
function parseInterval(fields: Fields): number {
  const seconds = fields.has('interval_s') ? fields.integer('interval_s', INTERVAL_BOUNDS) : DEFAULT_INTERVAL_S;
  if (seconds % 10 !== 0) {
    throw new SimError('bad-request', `interval_s: expected a multiple of 10 seconds, got ${seconds}`);
  }
  return seconds * 1000;
}

function parsePath(fields: Fields, name: string): string {
  const path = fields.text(name, MAX_PATH);
  if (isAbsolute(path) && !path.includes('\0')) return path;
  throw new SimError('bad-request', `${name}: expected an absolute path, got ${JSON.stringify(path)}`);
}

function parseFault(fields: Fields): DeviceFault | undefined {
  const kind = fields.oneOf('fault', FAULTS);
  switch (kind) {
    case 'none':
      return undefined;
    case 'refuse':
      return { on: 'port' };
    case 'scale-factor':
      return { on: 'scale', energyScale: fields.integer('code', { min: -3, max: 10 }) };
    case 'late': {
      const delayMs = fields.has('delay_ms')
        ? fields.integer('delay_ms', { min: 1, max: MAX_DELAY_MS })
        : DEFAULT_DELAY_MS;
      return { on: 'line', fault: { kind, delayMs } };
    }
    case 'exception':
      return {
        on: 'line',
        fault: { kind, code: fields.has('code') ? fields.integer('code', { min: 1, max: 255 }) : 4 },
      };
    case 'silence':
    case 'truncated':
    case 'wrong-transaction':
    case 'garbage':
    case 'disconnect':
      return { on: 'line', fault: { kind } };
    case 'step-back':
    case 'leap':
      return { on: 'values', fault: { kind, energyMwh: parseLie(fields) } };
    case 'zeros':
    case 'sentinels':
    case 'frozen':
      return { on: 'values', fault: { kind } };
  }
}

function parseLie(fields: Fields): number {
  const text = fields.has('kwh') ? fields.text('kwh', 32) : DEFAULT_LIE;
  try {
    const energyMwh = parseEnergy(text);
    if (energyMwh !== undefined) return energyMwh;
  } catch (error) {
    throw new SimError('bad-request', `request fault: kwh: ${error instanceof Error ? error.message : error}`);
  }
  throw new SimError('bad-request', 'request fault: kwh: expected a decimal, got nothing');
}
