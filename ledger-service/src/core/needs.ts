/** Which rows a decision will touch: loaded ahead in one read, so that deciding rarely has to stop for one. */
import { type FramePayload, sampleTimesS } from '@commonwatt/firmware-protocol';
import { edgeReachS, type IntervalSettings } from './intervals/edges.js';
import { activeMeters } from './intervals/meter-energies.js';
import { DAY_S } from './intervals/readings.js';
import { isNetted } from './intervals/touch.js';
import { frameKey, readingsKey, startKey, tileKey } from './rows.js';
import type { RowRef, Rows } from './working-set.js';

/** Rows of day blobs from one instant to another. */
function readingsRefs(meter: string, quantity: number, fromS: number, toS: number): RowRef[] {
  const refs: RowRef[] = [];
  for (let dayS = Math.floor(fromS / DAY_S) * DAY_S; dayS <= toS; dayS += DAY_S) {
    refs.push({ table: 'readings', key: readingsKey(meter, quantity, dayS) });
  }
  return refs;
}

/** What accepting a frame touches: its own row, its meters' readings around it, the intervals beside them. */
export function rowsOfFrame(rows: Rows, kid: string, payload: FramePayload, settings: IntervalSettings): RowRef[] {
  const { intervalS } = settings;
  const marginS = edgeReachS(settings) + intervalS;
  const timesS = sampleTimesS(payload);
  const fromS = Math.max(0, timesS[0]! - marginS);
  const toS = timesS.at(-1)! + marginS;
  const refs: RowRef[] = [{ table: 'frame', key: frameKey(kid, payload.epoch, payload.number) }];
  for (const meter of rows.get('device', kid)?.meters ?? []) {
    for (const { quantity } of meter.channels) refs.push(...readingsRefs(meter.id, quantity, fromS, toS));
  }
  for (let startS = Math.floor(fromS / intervalS) * intervalS - intervalS; startS <= toS; startS += intervalS) {
    if (startS >= 0) refs.push({ table: 'interval', key: startKey(startS) });
  }
  return refs;
}

/** What settling one interval reads. */
export function rowsOfInterval(rows: Rows, startS: number, settings: IntervalSettings): RowRef[] {
  const reachS = edgeReachS(settings);
  const refs: RowRef[] = [{ table: 'interval', key: startKey(startS) }];
  for (const [id, meter] of activeMeters(rows)) {
    for (const { quantity } of meter.channels) {
      if (!isNetted(quantity)) continue;
      refs.push(...readingsRefs(id, quantity, startS - reachS, startS + settings.intervalS + reachS));
    }
  }
  return refs;
}

/** The tiles that the next append writes to: the last one of each level. */
export function rowsOfAppend(size: number): RowRef[] {
  const refs: RowRef[] = [];
  let count = size;
  for (let level = 0; count > 0; level++) {
    refs.push({ table: 'tile', key: tileKey(level, Math.floor(count / 256)) });
    count = Math.floor(count / 256);
  }
  return refs;
}
