/**
 * Rows that frames will be decided on, before they are decided. Only a frame whose signature holds makes us read around
 * the instants it names: strangers do not choose what we load.
 */
import { type FramePayload, toHex, type Verifier } from '@commonwatt/firmware-protocol';
import { rowsOfFrame } from '../needs.js';
import { frameKey, openingKey } from '../rows.js';
import { intervalSettings } from '../settings.js';
import type { RowRef, Rows, WorkingSet } from '../working-set.js';
import { signedAs } from './device-signature.js';
import type { PreparedMessage } from './prepared-message.js';

/** The row that tells whether a frame was accepted before; none for a number that cannot have been yet. */
export function rowOfKnown(rows: WorkingSet, { sealed, kid, frame }: PreparedMessage): RowRef[] {
  if (sealed === undefined || frame === undefined || rows.get('device', kid) === undefined) return [];
  return mayBeKnown(rows, kid, frame) ? [{ table: 'frame', key: frameKey(kid, frame.epoch, frame.number) }] : [];
}

/** Numbers from the next one of the open epoch on, and of later epochs, have not been accepted. */
export function mayBeKnown(rows: Rows, kid: string, { epoch, number }: FramePayload): boolean {
  const state = rows.get('sequence', kid)?.state;
  return state !== undefined && (epoch < state.epoch || (epoch === state.epoch && number < state.next));
}

/** The opening that the receipt of a known frame is made of. `rowOfKnown` has to be loaded. */
export function rowsOfReceipt(rows: WorkingSet, frame: PreparedMessage): RowRef[] {
  const index = knownIndex(rows, frame);
  return index === undefined ? [] : [{ table: 'opening', key: openingKey(index) }];
}

/** What accepting a frame that is not known changes. `rowOfKnown` has to be loaded. */
export function rowsOfFresh(rows: WorkingSet, prepared: PreparedMessage, verifier: Verifier): RowRef[] {
  const { sealed, kid, frame } = prepared;
  if (sealed === undefined || frame === undefined || knownIndex(rows, prepared) !== undefined) return [];
  const device = rows.get('device', kid);
  const community = rows.get('community', '');
  if (device === undefined || device.revokedIndex !== undefined || community === undefined) return [];
  if (!prepared.signatureHolds(signedAs(device, community.genesis, 'meter-frame/v1'), verifier)) return [];
  return rowsOfFrame(rows, kid, frame, intervalSettings(community));
}

/** Index of the entry that these very bytes became. */
function knownIndex(rows: WorkingSet, prepared: PreparedMessage): number | undefined {
  const [ref] = rowOfKnown(rows, prepared);
  const row = ref && rows.get('frame', ref.key);
  return row !== undefined && row.hash === toHex(prepared.hash) ? row.index : undefined;
}
