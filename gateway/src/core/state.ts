import { fromHex, type Quantity, toHex } from '@commonwatt/firmware-protocol';
import { GatewayError } from '../errors.js';

/** A counter that was believed: the value from which the next is judged. */
export interface Baseline {
  readonly value: bigint;
  readonly atS: number;
}

/** A reading that did not fit the baseline and waits for the next one to confirm it. */
export interface Suspicion {
  readonly atS: number;
  readonly values: ReadonlyMap<Quantity, bigint>;
}

/** What the box knows about one meter between two polls. */
export interface MeterState {
  /** The meter's generation as the log has it: rises with each counter event. */
  readonly generation: number;
  /** UTC second of the newest sample. */
  readonly lastS?: number;
  readonly baselines: ReadonlyMap<Quantity, Baseline>;
  readonly suspicion?: Suspicion;
}

/** The small part of what must survive a power cut; commits carry it whole. */
export interface GatewayState {
  readonly kid: Uint8Array;
  readonly origin: string;
  readonly gateway: string;
  /** Rises by one with each start of the process. */
  readonly boot: number;
  readonly epoch: number;
  /** The number of the next frame to be sealed; 1 opens the epoch. */
  readonly next: number;
  /** Leaf hash of the entry that opened the epoch: what frame 1 names as previous. */
  readonly opening: Uint8Array;
  /** The newest frame of this epoch that a receipt proved to be in the log. */
  readonly accepted?: { readonly number: number; readonly hash: Uint8Array } | undefined;
  /** A new epoch is needed: nothing is sealed until it is granted. Stands from the refusal on, before the request is made. */
  readonly asking?: { readonly reason: number; readonly oldEpoch: number } | undefined;
  /** Readings that were thinned or never taken because the outbox was full. */
  readonly lostReadings: number;
  /** How many of them the frames have told the ledger so far. */
  readonly lostTold: number;
  /** Refusals of frames, in all. */
  readonly refused: number;
  /** The newest checkpoint that a receipt proved itself with. */
  readonly checkpoint?: { readonly size: number; readonly root: Uint8Array };
  /** When the ledger received the newest accepted frame, UTC seconds. */
  readonly lastReceiptS?: number;
  readonly meters: ReadonlyMap<number, MeterState>;
}

/** The state as bytes of the data folder. Not a wire format: only this package reads it. */
export function encodeState(state: GatewayState): string {
  return JSON.stringify({
    version: STATE_VERSION,
    kid: toHex(state.kid),
    origin: state.origin,
    gateway: state.gateway,
    boot: state.boot,
    epoch: state.epoch,
    next: state.next,
    opening: toHex(state.opening),
    accepted: state.accepted && [state.accepted.number, toHex(state.accepted.hash)],
    asking: state.asking && [state.asking.reason, state.asking.oldEpoch],
    lost: state.lostReadings,
    told: state.lostTold,
    refused: state.refused,
    checkpoint: state.checkpoint && [state.checkpoint.size, toHex(state.checkpoint.root)],
    received: state.lastReceiptS,
    meters: [...state.meters].map(([index, meter]) => [
      index,
      meter.generation,
      meter.lastS ?? null,
      [...meter.baselines].map(([quantity, { value, atS }]) => [quantity, String(value), atS]),
      meter.suspicion === undefined
        ? null
        : [meter.suspicion.atS, [...meter.suspicion.values].map(([quantity, value]) => [quantity, String(value)])],
    ]),
  });
}

const STATE_VERSION = 1;

type MeterRow = [number, number, number | null, [Quantity, string, number][], [number, [Quantity, string][]] | null];

interface StateRecord {
  version: number;
  kid: string;
  origin: string;
  gateway: string;
  boot: number;
  epoch: number;
  next: number;
  opening: string;
  accepted?: [number, string];
  asking?: [number, number];
  lost: number;
  told: number;
  refused: number;
  checkpoint?: [number, string];
  received?: number;
  meters: MeterRow[];
}

/** The inverse of `encodeState`. Throws `outbox-damaged` on anything else. */
export function decodeState(text: string): GatewayState {
  try {
    const record = JSON.parse(text) as StateRecord;
    if (record.version !== STATE_VERSION) throw new Error(`version: expected ${STATE_VERSION}, got ${record.version}`);
    return {
      kid: fromHex(record.kid),
      origin: record.origin,
      gateway: record.gateway,
      boot: record.boot,
      epoch: record.epoch,
      next: record.next,
      opening: fromHex(record.opening),
      ...(record.accepted && { accepted: { number: record.accepted[0], hash: fromHex(record.accepted[1]) } }),
      ...(record.asking && { asking: { reason: record.asking[0], oldEpoch: record.asking[1] } }),
      lostReadings: record.lost,
      lostTold: record.told,
      refused: record.refused,
      ...(record.checkpoint && { checkpoint: { size: record.checkpoint[0], root: fromHex(record.checkpoint[1]) } }),
      ...(record.received !== undefined && { lastReceiptS: record.received }),
      meters: new Map(record.meters.map((row) => [row[0], toMeterState(row)])),
    };
  } catch (cause) {
    throw new GatewayError('outbox-damaged', 'the state in the outbox cannot be read', { cause });
  }
}

function toMeterState([, generation, lastS, baselines, suspicion]: MeterRow): MeterState {
  return {
    generation,
    ...(lastS !== null && { lastS }),
    baselines: new Map(baselines.map(([quantity, value, atS]) => [quantity, { value: BigInt(value), atS }])),
    ...(suspicion !== null && {
      suspicion: {
        atS: suspicion[0],
        values: new Map(suspicion[1].map(([quantity, value]) => [quantity, BigInt(value)])),
      },
    }),
  };
}
