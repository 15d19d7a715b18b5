/**
 * Rows that frames will be decided on, before they are decided. Only a frame whose signature holds makes us read around
 * the instants it names: strangers do not choose what we load.
 */
import type { FramePayload, Verifier } from '@commonwatt/firmware-protocol';
import { indexIn, sameFrame } from '../frame-chunks.js';
import { addRowsOfFrame, type MissingRows } from '../needs.js';
import { chunkOf, type FrameRow, frameKey, openingKey } from '../rows.js';
import { intervalSettings } from '../settings.js';
import type { RowRef, Rows, WorkingSet } from '../working-set.js';
import { signedAs } from './device-signature.js';
import type { PreparedMessage } from './prepared-message.js';

/** The row that tells whether a frame was accepted before; none where it cannot have been, or where that is at hand. */
export function rowOfKnown(rows: WorkingSet, { sealed, kid, frame }: PreparedMessage): RowRef[] {
  if (sealed === undefined || frame === undefined || rows.get('device', kid) === undefined) return [];
  const key =
    mayBeKnown(rows, kid, frame) &&
    chunkAtHand(rows, kid, frame) === undefined &&
    frameKey(kid, frame.epoch, frame.number);
  return key === false ? [] : [{ table: 'frame', key }];
}

/** Numbers from the next one of the open epoch on, and of later epochs, have not been accepted. */
function mayBeKnown(rows: Rows, kid: string, { epoch, number }: FramePayload): boolean {
  const state = rows.get('sequence', kid)?.state;
  return state !== undefined && (epoch < state.epoch || (epoch === state.epoch && number < state.next));
}

/** The newest numbers of a box are in its own row. */
function chunkAtHand(rows: Rows, kid: string, { epoch, number }: FramePayload): FrameRow | undefined {
  const row = rows.get('sequence', kid);
  const isRecent = row?.state.epoch === epoch && row.recent?.chunk === chunkOf(number);
  return isRecent ? row.recent?.entries : undefined;
}

/** The opening that a number's frame lies in: it tells whether the bytes are the same. `rowOfKnown` has to be loaded. */
export function rowsOfReceipt(rows: WorkingSet, { kid, frame, sealed }: PreparedMessage): RowRef[] {
  if (sealed === undefined || frame === undefined || rows.get('device', kid) === undefined) return [];
  const index = acceptedIndex(rows, kid, frame);
  return index === undefined ? [] : [{ table: 'opening', key: openingKey(index) }];
}

/** Index of the entry that this number became. `rowOfKnown` has to be loaded. */
export function acceptedIndex(rows: Rows, kid: string, frame: FramePayload): number | undefined {
  if (!mayBeKnown(rows, kid, frame)) return undefined;
  return indexIn(
    chunkAtHand(rows, kid, frame) ?? rows.get('frame', frameKey(kid, frame.epoch, frame.number)),
    frame.number,
  );
}

/** What accepting a frame that is not known changes. `rowOfKnown` has to be loaded. */
export function addRowsOfFresh(
  missing: MissingRows,
  rows: WorkingSet,
  prepared: PreparedMessage,
  verifier: Verifier,
): void {
  const { sealed, kid, frame } = prepared;
  if (sealed === undefined || frame === undefined || isKnown(rows, prepared)) return;
  const device = rows.get('device', kid);
  const community = rows.get('community', '');
  if (device === undefined || device.revokedIndex !== undefined || community === undefined) return;
  if (!prepared.signatureHolds(signedAs(device, community.genesis, 'meter-frame/v1'), verifier)) return;
  addRowsOfFrame(missing, rows, { kid, payload: frame }, intervalSettings(community));
}

/** These very bytes are in the log. `rowsOfReceipt` have to be loaded. */
function isKnown(rows: WorkingSet, { kid, frame, message }: PreparedMessage): boolean {
  const index = frame && rows.get('device', kid) && acceptedIndex(rows, kid, frame);
  const opening = index === undefined ? undefined : rows.get('opening', openingKey(index));
  return opening !== undefined && sameFrame(opening, message) !== undefined;
}
