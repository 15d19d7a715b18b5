import { type CommandContext, EXIT } from './context.js';
import { DataFolder } from './data-folder.js';
import { chooseCommunity, type Door, type Json, openDoor } from './door.js';
import { formatTable } from './output.js';

export interface StatementOptions {
  readonly data: string;
  readonly community?: string;
  readonly member: string;
  readonly from?: string | number;
  readonly to?: string | number;
  readonly csv?: boolean;
}

/** Columns of the table for people; the JSON and the CSV have them all. */
const COLUMNS = [
  ['generated', 'generated_kwh'],
  ['used at home', 'used_at_home_kwh'],
  ['received', 'received_kwh'],
  ['delivered', 'delivered_kwh'],
  ['from grid', 'from_grid_kwh'],
  ['to grid', 'to_grid_kwh'],
  ['credits', 'credits'],
] as const;

/** A member's statement for a period: per local day for people, per interval as JSON or CSV. */
export async function runStatement(options: StatementOptions, { output }: CommandContext): Promise<number> {
  const door = await openDoor(new DataFolder(options.data));
  try {
    const community = await chooseCommunity(door, options.community);
    const period = new URLSearchParams();
    if (options.from !== undefined) period.set('from', `${options.from}`);
    if (options.to !== undefined) period.set('to', `${options.to}`);
    const path = `/v1/communities/${community}/members/${encodeURIComponent(options.member)}/statement`;
    if (options.csv === true) {
      period.set('format', 'csv');
      output.result({}, await door.getText(`${path}?${period}`));
    } else {
      const statement = await wholeStatement(door, path, period);
      output.result({ community, ...statement }, describe(statement));
    }
  } finally {
    await door.close();
  }
  return EXIT.done;
}

/** Its intervals come in pages; what is said beside them is the same on each. */
async function wholeStatement(door: Door, path: string, period: URLSearchParams): Promise<Json> {
  const first = await door.get(`${path}?${period}`);
  const { next, ...statement } = first;
  const intervals = [...(first.intervals as readonly Json[])];
  // The first answer says which period it is, so that a new interval meanwhile makes no other one.
  const on = new URLSearchParams({ from: String(first.from), to: String(first.to) });
  for (let after = next; typeof after === 'string'; ) {
    on.set('after', after);
    const page = await door.get(`${path}?${on}`);
    intervals.push(...(page.intervals as readonly Json[]));
    after = page.next;
  }
  return { ...statement, intervals };
}

function describe(statement: Json): string {
  const days = (statement.days as { day: string; sum: Json }[] | undefined) ?? [];
  const rows = days.map(({ day, sum }) => [day, ...figures(sum)]);
  const columns = [{ head: 'day' }, ...COLUMNS.map(([head]) => ({ head, right: true }))];
  const sum = statement.sum as Json;
  if (sum.intervals === 0) {
    const when = statement.from === statement.to ? 'yet' : `from ${statement.from} to ${statement.to}`;
    return `${statement.member}: no interval is settled ${when}.`;
  }
  return [
    `${statement.member}, ${statement.from} to ${statement.to} (days of ${statement.time_zone}, kWh)`,
    '',
    formatTable(columns, [...rows, ['sum', ...figures(sum)]]),
    '',
    `${sum.intervals} ${sum.intervals === 1 ? 'interval' : 'intervals'}, ${sum.provisional} of them provisional`,
  ].join('\n');
}

function figures(sum: Json): string[] {
  return COLUMNS.map(([, name]) => String(sum[name] ?? '-'));
}
