/** What the settlement of an interval needs to know of each meter that has a part in it (SETTLEMENT 2). */
import { rowsOfInterval } from '../needs.js';
import type { MeterRow } from '../rows.js';
import type { MeterEnergy, UnitName } from '../settlement.js';
import type { Rows } from '../working-set.js';
import type { IntervalSettings } from './edges.js';
import { EdgeCache, type MeterState, meterState, primaryChannel } from './meter-state.js';

type NamedMeter = readonly [string, MeterRow];

/** Meters that take part in the netting: enrolled on a device that is not revoked, with an import or export counter. */
export function activeMeters(rows: Rows): readonly NamedMeter[] {
  return rows.all('meter').filter(([, meter]) => isActive(rows, meter) && primaryChannel(meter) !== undefined);
}

function isActive(rows: Rows, { kid, removedIndex }: MeterRow): boolean {
  return removedIndex === undefined && rows.get('device', kid)?.revokedIndex === undefined;
}

/** Meters that are active no more, of units that had a line in the version before: what they measured then stays true. */
function formerMeters(rows: Rows, previous: readonly UnitName[]): readonly NamedMeter[] {
  if (previous.length === 0) return [];
  const units = new Set(previous.map(({ member, meter }) => `${member}/${meter}`));
  return rows.all('meter').filter(([id, meter]) => {
    if (isActive(rows, meter) || primaryChannel(meter) === undefined) return false;
    return units.has(`${meter.member}/`) || units.has(`${meter.member}/${id}`);
  });
}

export interface IntervalInputs {
  readonly meters: readonly MeterEnergy[];
  /** Every active meter has both edges of its primary counter. */
  readonly allEdges: boolean;
  /** At least one has. */
  readonly someEdges: boolean;
}

/** `previous`: the units of the version before; none for version 1. */
export function intervalInputs(
  rows: Rows,
  startS: number,
  settings: IntervalSettings,
  previous: readonly UnitName[] = [],
): IntervalInputs {
  const active = activeMeters(rows);
  const former = formerMeters(rows, previous);
  rows.require(rowsOfInterval([...active, ...former], startS, settings));
  const stateOf = ([id, meter]: NamedMeter) => meterState(new EdgeCache(rows, id, settings), meter, startS);
  const meters: MeterEnergy[] = [];
  let withEdges = 0;
  for (const named of active) {
    const state = stateOf(named);
    if (state.hasEdges) withEdges += 1;
    meters.push(energyOf(named, state));
  }
  for (const named of former) {
    const state = stateOf(named);
    if (state.hasEdges) meters.push(energyOf(named, state));
  }
  return { meters, allEdges: withEdges === active.length, someEdges: withEdges > 0 };
}

function energyOf([meter, { member }]: NamedMeter, { importMwh, exportMwh, quality }: MeterState): MeterEnergy {
  return {
    member,
    meter,
    ...(importMwh !== undefined && { importMwh }),
    ...(exportMwh !== undefined && { exportMwh }),
    complete: quality < 4,
    quality,
  };
}
