/** What the settlement of an interval needs to know of each active meter (SETTLEMENT 2). */
import { mulDiv, Quantity } from '@commonwatt/firmware-protocol';
import { rowsOfInterval } from '../needs.js';
import type { ChannelRecord, Quality } from '../records/index.js';
import type { MeterRow } from '../rows.js';
import type { MeterEnergy } from '../settlement.js';
import type { Rows } from '../working-set.js';
import type { Energy, IntervalSettings } from './edges.js';
import { channelEnergy, knownEnergy } from './readings.js';
import { isNetted } from './touch.js';

const MISSING: Quality = 4;
const DISPUTED: Quality = 5;

/** Meters that take part in the netting: enrolled on a device that is not revoked, with an import or export counter. */
export function activeMeters(rows: Rows): readonly (readonly [string, MeterRow])[] {
  return rows.all('meter').filter(([, meter]) => {
    const device = rows.get('device', meter.kid);
    return device !== undefined && device.revokedIndex === undefined && primaryChannel(meter) !== undefined;
  });
}

/** A meter takes part by its import counter, or, where it has none at all, by its export counter. */
export function primaryChannel(meter: MeterRow): ChannelRecord | undefined {
  return channelOf(meter, Quantity.gridImport) ?? channelOf(meter, Quantity.gridExport);
}

export interface IntervalInputs {
  readonly meters: readonly MeterEnergy[];
  /** Every active meter has both edges of its primary counter. */
  readonly allEdges: boolean;
  /** At least one has. */
  readonly someEdges: boolean;
}

export function intervalInputs(rows: Rows, startS: number, settings: IntervalSettings): IntervalInputs {
  rows.require(rowsOfInterval(rows, startS, settings));
  const found = activeMeters(rows).map(([id, meter]) => meterEnergy(rows, id, meter, startS, settings));
  return {
    meters: found.map(({ energy }) => energy),
    allEdges: found.every(({ hasEdges }) => hasEdges),
    someEdges: found.some(({ hasEdges }) => hasEdges),
  };
}

function meterEnergy(
  rows: Rows,
  id: string,
  meter: MeterRow,
  startS: number,
  settings: IntervalSettings,
): { energy: MeterEnergy; hasEdges: boolean } {
  const netted = meter.channels.filter(({ quantity }) => isNetted(quantity));
  const known = new Map(
    netted.map(
      ({ quantity }) => [quantity as number, channelEnergy(rows, { meter: id, quantity }, startS, settings)] as const,
    ),
  );
  const primary = knownEnergy(known.get(primaryChannel(meter)!.quantity));
  const isDisputed = netted.some(({ quantity, limitW }) => {
    const state = known.get(quantity);
    return state === 'disputed' || exceeds(knownEnergy(state), limitW, settings.intervalS);
  });
  const countedOf = (quantity: number) =>
    channelOf(meter, quantity) ? (knownEnergy(known.get(quantity))?.energyMwh ?? 0) : undefined;
  const importMwh = countedOf(Quantity.gridImport);
  const exportMwh = countedOf(Quantity.gridExport);
  const energy: MeterEnergy = {
    member: meter.member,
    meter: id,
    ...(importMwh !== undefined && { importMwh }),
    ...(exportMwh !== undefined && { exportMwh }),
    complete: primary !== undefined && !isDisputed,
    quality: primary === undefined ? MISSING : isDisputed ? DISPUTED : worst([...known.values()].map(knownEnergy)),
  };
  return { energy, hasEdges: primary !== undefined };
}

/** More than the nameplate on average over the interval: mWh x 3.6 > W x s. */
function exceeds(energy: Energy | undefined, limitW: number, intervalS: number): boolean {
  if (energy === undefined || limitW === 0) return false;
  return energy.energyMwh > mulDiv(limitW, intervalS * 10, 36).quotient;
}

function worst(energies: readonly (Energy | undefined)[]): Quality {
  return energies.reduce<Quality>(
    (quality, energy) => (energy && energy.quality > quality ? energy.quality : quality),
    0,
  );
}

function channelOf(meter: MeterRow, quantity: number): ChannelRecord | undefined {
  return meter.channels.find((channel) => channel.quantity === quantity);
}
