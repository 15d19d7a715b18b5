import { type CommandContext, EXIT } from './context.js';
import { DataFolder } from './data-folder.js';
import { chooseCommunity, type Json, openDoor } from './door.js';
import { formatTable } from './output.js';

export interface BalancesOptions {
  readonly data: string;
  readonly community?: string;
  readonly asOf?: string;
  readonly knownAt?: number;
}

const NOTHING = '0.000000';

/** Whoever was never booked on stands at zero. */
function rowsOf(items: readonly Json[], members: readonly Json[]): string[][] {
  const booked = items.map((item) => [item.member, item.credits, item.energy_kwh].map(String));
  const known = new Set(booked.map(([member]) => member));
  const others = members.map(({ id }) => String(id)).filter((id) => !known.has(id));
  return [...booked, ...others.map((id) => [id, NOTHING, NOTHING])].sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
}

/** Every member's balance, now or as it was. */
export async function runBalances(options: BalancesOptions, { output }: CommandContext): Promise<number> {
  const door = await openDoor(new DataFolder(options.data));
  try {
    const community = await chooseCommunity(door, options.community);
    const moment = new URLSearchParams();
    if (options.asOf !== undefined) moment.set('asOf', options.asOf);
    if (options.knownAt !== undefined) moment.set('knownAt', `${options.knownAt}`);
    const { currency } = await door.get(`/v1/communities/${community}`);
    const { items, last } = await door.list(`/v1/communities/${community}/balances?${moment}`);
    const { items: _items, next: _next, ...rest } = last;
    const { items: members } = await door.list(`/v1/communities/${community}/members`);
    const rows = rowsOf(items, members);
    const columns = [
      { head: 'member' },
      { head: `${currency}`, right: true },
      { head: 'delivered - received kWh', right: true },
    ];
    const totals = rest.totals as { credits?: unknown; energy_kwh?: unknown } | undefined;
    const sum = ['sum', String(totals?.credits ?? ''), String(totals?.energy_kwh ?? '')];
    output.result({ community, currency, balances: items, ...rest }, formatTable(columns, [...rows, sum]));
  } finally {
    await door.close();
  }
  return EXIT.done;
}
