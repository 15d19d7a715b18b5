import { type CommandContext, EXIT } from './context.js';
import { DataFolder } from './data-folder.js';
import { chooseCommunity, type Json, openDoor } from './door.js';
import { formatTable } from './output.js';

export interface GatewaysOptions {
  readonly data: string;
  readonly community?: string;
}

const COLUMNS = [
  { head: 'home' },
  { head: 'member' },
  { head: 'gateway' },
  { head: 'state' },
  { head: 'last frame' },
  { head: 'epoch', right: true },
  { head: 'frames', right: true },
  { head: 'waiting', right: true },
  { head: 'gaps', right: true },
  { head: 'readings', right: true },
  { head: 'flagged', right: true },
];

/** Every gateway's sequence: when it was heard of, whether it has forked, and what was made of its readings. */
export async function runGateways(options: GatewaysOptions, { output }: CommandContext): Promise<number> {
  const door = await openDoor(new DataFolder(options.data));
  try {
    const community = await chooseCommunity(door, options.community);
    const { items } = await door.list(`/v1/communities/${community}/gateways`);
    const rows = items.map(rowOf).sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
    const text = rows.length === 0 ? 'No home is enrolled yet: commonwatt enrol.' : formatTable(COLUMNS, rows);
    output.result({ community, gateways: items }, text);
  } finally {
    await door.close();
  }
  return EXIT.done;
}

function rowOf(gateway: Json): string[] {
  const { home, member, kid, epoch, accepted_frames: frames, parked_frames: waiting, gaps } = gateway;
  const { accepted_readings: readings, flagged_readings: flagged } = gateway;
  const counts = [epoch ?? '-', frames, waiting, gaps, readings, flagged];
  return [home, member, kid, stateOf(gateway), gateway.last_received ?? 'never', ...counts].map(String);
}

function stateOf({ revoked_index: revoked, forked }: Json): string {
  if (revoked !== undefined) return 'revoked';
  return forked === true ? 'forked' : 'enrolled';
}
