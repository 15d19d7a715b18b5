import { ProtocolError } from './errors.js';
import { isValidId } from './topics.js';
import { utf8Decode, utf8Encode } from './utf8.js';

/** Longest `status` or `live` payload in bytes (PROTOCOL 4.2). */
export const MAX_STATUS_BYTES = 8192;
/** Most meters in a status: as many as a frame has channels. */
export const MAX_STATUS_METERS = 16;

const STATUS_VERSION = 1;
const METER_STATES = ['ok', 'silent', 'refusing', 'absent'] as const;

/** How a meter answered last (PROTOCOL 4.2). */
export type MeterState = (typeof METER_STATES)[number];

export interface MeterStatus {
  readonly index: number;
  readonly id: string;
  readonly state: MeterState;
  /** UTC seconds of the last good reading. */
  readonly lastReadingS?: number;
}

/** Retained on `status`: whether the box is there and how it is. Never booked. */
export type GatewayStatus =
  | { readonly state: 'offline'; readonly gateway: string }
  | {
      readonly state: 'online';
      readonly gateway: string;
      /** UTC seconds in which it connected. */
      readonly sinceS: number;
      readonly software: string;
      readonly epoch: number;
      /** Number of the frame it seals next. */
      readonly nextNumber: number;
      /** Signed frames without a receipt. */
      readonly pending: number;
      /** Refused frames that it keeps to show. */
      readonly shelved: number;
      /** Readings given up before sealing since its first start. */
      readonly lostReadings: number;
      readonly lastReceiptS?: number;
      readonly clock: { readonly source: number; readonly errorMs: number };
      readonly meters: readonly MeterStatus[];
    };

/** On `live`: power now, in whole watts, none negative; a value that is not measured is absent. Never booked. */
export interface LivePower {
  readonly atMs: number;
  readonly importW?: number;
  readonly exportW?: number;
  readonly generationW?: number;
  readonly chargeW?: number;
  readonly dischargeW?: number;
}

/** JSON of a status, in UTF-8. Throws `bad-status` for what `parseStatus` would refuse. */
export function formatStatus(status: GatewayStatus): Uint8Array {
  const bytes = utf8Encode(JSON.stringify(status.state === 'offline' ? toOffline(status.gateway) : toOnline(status)));
  parseStatus(bytes);
  return bytes;
}

function toOffline(gateway: string): object {
  return { version: STATUS_VERSION, state: 'offline', gateway };
}

function toOnline(status: GatewayStatus & { state: 'online' }): object {
  return {
    version: STATUS_VERSION,
    state: status.state,
    gateway: status.gateway,
    since_s: status.sinceS,
    software: status.software,
    epoch: status.epoch,
    next_number: status.nextNumber,
    pending: status.pending,
    shelved: status.shelved,
    lost_readings: status.lostReadings,
    last_receipt_s: status.lastReceiptS,
    clock: { source: status.clock.source, error_ms: status.clock.errorMs },
    meters: status.meters.map((meter) => ({
      index: meter.index,
      id: meter.id,
      state: meter.state,
      last_reading_s: meter.lastReadingS,
    })),
  };
}

/** Untrusted: a status as anyone may publish it. Unknown keys are passed over, so that later versions can add some. Throws `bad-status`. */
export function parseStatus(bytes: Uint8Array): GatewayStatus {
  const json = parseObject(bytes, 'status');
  const gateway = id(json, 'gateway');
  const state = json.state;
  if (state === 'offline') return { state, gateway };
  if (state !== 'online') throw bad('state', 'online or offline', state);
  const clock = record(json.clock, 'clock');
  const lastReceiptS = optional(json, 'last_receipt_s');
  return {
    state,
    gateway,
    sinceS: whole(json, 'since_s'),
    software: text(json, 'software'),
    epoch: whole(json, 'epoch'),
    nextNumber: whole(json, 'next_number'),
    pending: whole(json, 'pending'),
    shelved: whole(json, 'shelved'),
    lostReadings: whole(json, 'lost_readings'),
    ...(lastReceiptS !== undefined && { lastReceiptS }),
    clock: { source: whole(clock, 'source'), errorMs: whole(clock, 'error_ms') },
    meters: parseMeters(json.meters),
  };
}

function parseMeters(value: unknown): MeterStatus[] {
  if (!Array.isArray(value) || value.length > MAX_STATUS_METERS)
    throw bad('meters', `at most ${MAX_STATUS_METERS} of them`, value);
  return value.map((item) => {
    const meter = record(item, 'meter');
    const state = METER_STATES.find((name) => name === meter.state);
    if (state === undefined) throw bad('meter state', METER_STATES.join(', '), meter.state);
    const lastReadingS = optional(meter, 'last_reading_s');
    return {
      index: whole(meter, 'index'),
      id: id(meter, 'id'),
      state,
      ...(lastReadingS !== undefined && { lastReadingS }),
    };
  });
}

/** JSON of the power now, in UTF-8. Throws `bad-status` for what `parseLive` would refuse. */
export function formatLive(live: LivePower): Uint8Array {
  const bytes = utf8Encode(
    JSON.stringify({
      version: STATUS_VERSION,
      at_ms: live.atMs,
      import_w: live.importW,
      export_w: live.exportW,
      generation_w: live.generationW,
      charge_w: live.chargeW,
      discharge_w: live.dischargeW,
    }),
  );
  parseLive(bytes);
  return bytes;
}

/** Untrusted: the power as anyone may publish it. Unknown keys are passed over. Throws `bad-status`. */
export function parseLive(bytes: Uint8Array): LivePower {
  const json = parseObject(bytes, 'live');
  const [importW, exportW, generationW, chargeW, dischargeW] = [
    'import_w',
    'export_w',
    'generation_w',
    'charge_w',
    'discharge_w',
  ].map((key) => optional(json, key));
  return {
    atMs: whole(json, 'at_ms'),
    ...(importW !== undefined && { importW }),
    ...(exportW !== undefined && { exportW }),
    ...(generationW !== undefined && { generationW }),
    ...(chargeW !== undefined && { chargeW }),
    ...(dischargeW !== undefined && { dischargeW }),
  };
}

/** What the home uses now, in watts: import - export + generation + discharge - charge, never below zero (PROTOCOL 4.2). */
export function usePowerW(live: LivePower): number {
  const { importW = 0, exportW = 0, generationW = 0, chargeW = 0, dischargeW = 0 } = live;
  return Math.max(0, importW - exportW + generationW + dischargeW - chargeW);
}

type JsonObject = { readonly [key: string]: unknown };

function parseObject(bytes: Uint8Array, what: string): JsonObject {
  if (bytes.length > MAX_STATUS_BYTES) throw bad(what, `at most ${MAX_STATUS_BYTES} bytes`, bytes.length);
  let value: unknown;
  try {
    value = JSON.parse(utf8Decode(bytes));
  } catch (cause) {
    throw new ProtocolError('bad-status', `${what}: expected JSON in UTF-8, got something else`, { cause });
  }
  const object = record(value, what);
  if (object.version !== STATUS_VERSION) throw bad(`${what} version`, String(STATUS_VERSION), object.version);
  return object;
}

function record(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(what, 'an object', value);
  return value as JsonObject;
}

function optional(object: JsonObject, key: string): number | undefined {
  return object[key] === undefined ? undefined : whole(object, key);
}

function whole(object: JsonObject, key: string): number {
  const value = object[key];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw bad(key, 'a whole number from 0 to 2^53 - 1', value);
  return value;
}

function text(object: JsonObject, key: string): string {
  const value = object[key];
  if (typeof value !== 'string' || value.length > 64) throw bad(key, 'a text of at most 64 characters', value);
  return value;
}

function id(object: JsonObject, key: string): string {
  const value = text(object, key);
  if (!isValidId(value)) throw bad(key, 'an id', value);
  return value;
}

function bad(what: string, expected: string, got: unknown): ProtocolError {
  return new ProtocolError(
    'bad-status',
    `${what}: expected ${expected}, got ${String(JSON.stringify(got)).slice(0, 80)}`,
  );
}
