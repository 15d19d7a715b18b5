/** What entries about the community, its members, devices and rules do to the projections (LOG 5). */

import type { Hasher } from '@commonwatt/firmware-protocol';
import { openEpoch, toHex } from '@commonwatt/firmware-protocol';
import { keyIdHex } from '../identity.js';
import type { Device, Genesis, Party, Rules } from '../records/index.js';
import { indexKey, type MeterRow, PROJECTION_FORM } from '../rows.js';
import type { Rows } from '../working-set.js';

export function foldGenesis(rows: Rows, genesis: Genesis): void {
  rows.put('community', '', {
    form: PROJECTION_FORM,
    genesis,
    peaks: [],
    size: 0,
    newestReceivedS: 0,
    newestS: 0,
    sealNumber: 0,
    sealIndex: -1,
    sealedSize: 0,
    isSealed: true,
  });
  countSigner(rows, genesis.operatorKey, genesis.number);
}

/** Field 1 of what operator and members sign rises by one per key, so each signature enters once. */
export function countSigner(rows: Rows, publicKey: Uint8Array, number: number): void {
  rows.put('signer', toHex(publicKey), { lastNumber: number });
}

export function foldParty(rows: Rows, index: number, party: Party): void {
  rows.put('party', party.member, {
    memberClass: party.memberClass,
    index,
    ...(party.name !== undefined && { name: party.name }),
    ...(party.address !== undefined && { address: party.address }),
    ...(party.memberKey !== undefined && { memberKey: toHex(party.memberKey) }),
  });
}

/** A device entry of a known kid only replaces the list of its meters; a new kid opens epoch 1 on this entry's hash. */
export function foldDevice(
  rows: Rows,
  entry: { readonly index: number; readonly leafHash: Uint8Array },
  device: Device,
  hasher: Hasher,
): void {
  const kid = keyIdHex(hasher, device.key);
  const known = rows.get('device', kid);
  for (const { id } of known?.meters ?? []) removeMeter(rows, id, entry.index);
  rows.put('device', kid, {
    publicKey: toHex(device.key),
    home: device.home,
    member: device.member,
    index: entry.index,
    meters: device.meters,
  });
  for (const meter of device.meters) rows.put('meter', meter.id, meterRow(rows, kid, device, meter, entry.index));
  if (known !== undefined) return;
  const { parked, ...state } = openEpoch(undefined, { epoch: 1, openingLeafHash: entry.leafHash });
  rows.put('sequence', kid, {
    state,
    lastBoot: 0,
    lastUptimeMs: 0,
    lastReceivedS: 0,
    lastIndex: -1,
    accepted: 0,
    openingIndex: entry.index,
  });
}

/** Where the new list has it again, the row is written over. */
function removeMeter(rows: Rows, id: string, index: number): void {
  const { eventHash, eventIndex, ...row } = rows.get('meter', id)!;
  rows.put('meter', id, { ...row, removedIndex: index, ...newestEvent({ eventHash, eventIndex }) });
}

function meterRow(rows: Rows, kid: string, device: Device, meter: Device['meters'][number], index: number): MeterRow {
  const { home, member } = device;
  const known = rows.get('meter', meter.id);
  const { generation, channels } = meter;
  const enrolledS = known === undefined ? rows.get('community', '')!.newestS : (known.enrolledS ?? 0);
  const since = enrolledS > 0 ? { enrolledS } : {};
  return { kid, home, member, index, generation, channels, ...since, ...newestEvent(known ?? {}) };
}

/** Fields in one order, so that the row's text is canonical. */
function newestEvent({ eventHash, eventIndex }: { eventHash?: string | undefined; eventIndex?: number | undefined }) {
  return { ...(eventHash !== undefined && { eventHash }), ...(eventIndex !== undefined && { eventIndex }) };
}

export function foldDeviceRevoked(rows: Rows, index: number, kid: string): void {
  const { publicKey, home, member, index: deviceIndex, meters } = rows.get('device', kid)!;
  rows.put('device', kid, { publicKey, home, member, index: deviceIndex, meters, revokedIndex: index });
}

export function foldRules(rows: Rows, index: number, rules: Rules): void {
  rows.put('rules', indexKey(index), {
    index,
    number: rules.number,
    settings: rules.settings,
    firstIntervalS: rules.firstIntervalS,
    text: typeof rules.text === 'string' ? rules.text : toHex(rules.text),
    ...(rules.decidedBy !== undefined && { decidedBy: rules.decidedBy }),
  });
}
