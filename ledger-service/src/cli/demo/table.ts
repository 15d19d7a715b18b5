/** The street as a page of text: pure, for any size of terminal. */
import { formatCredits, formatKwh } from '@commonwatt/firmware-protocol';

export interface TableRow {
  readonly home: string;
  readonly sunW: number | undefined;
  readonly useW: number | undefined;
  readonly receivedMwh: number;
  readonly deliveredMwh: number;
  readonly amountMicro: bigint;
  /** UTC seconds of the simulated clock. */
  readonly lastReceiptS: number | undefined;
  /** Shown instead of the receipt while the box is not well. */
  readonly trouble?: string;
}

export interface TableView {
  readonly title: string;
  readonly nowMs: number;
  readonly speed: number;
  readonly logSize: number;
  readonly rows: readonly TableRow[];
  /** Credits of the commons fund. */
  readonly commonsMicro: bigint;
  readonly footer: readonly string[];
}

interface Column {
  readonly head: string;
  readonly width: number;
  readonly cell: (row: TableRow) => string;
}

const COLUMNS: readonly Column[] = [
  { head: 'home', width: -15, cell: ({ home }) => home },
  { head: 'sun now', width: 8, cell: ({ sunW }) => power(sunW) },
  { head: 'use now', width: 8, cell: ({ useW }) => power(useW) },
  { head: 'received', width: 9, cell: ({ receivedMwh }) => energy(receivedMwh) },
  { head: 'delivered', width: 9, cell: ({ deliveredMwh }) => energy(deliveredMwh) },
  { head: 'balance', width: 9, cell: ({ amountMicro }) => credits(amountMicro) },
  { head: 'last receipt', width: 12, cell: ({ lastReceiptS, trouble }) => trouble ?? timeOfDay(lastReceiptS) },
];

/** Lines above and below the homes: title, units, heads, sum, an empty one. */
const FIXED_LINES = 5;

/** At most `rows` lines of at most `columns` characters; homes that do not fit are summed up in a line. */
export function renderTable(view: TableView, { columns, rows }: { columns: number; rows: number }): string[] {
  const room = Math.max(1, rows - FIXED_LINES - view.footer.length);
  const isCut = view.rows.length > room;
  const shown = isCut ? view.rows.slice(0, Math.max(0, room - 1)) : view.rows;
  const lines = [
    titleOf(view),
    'kW now; kWh since midnight UTC; balance in credits, + is owed to the home',
    line(({ head }) => head),
    ...shown.map((row) => line(({ cell }) => cell(row))),
    ...(isCut ? [`... and ${view.rows.length - shown.length} more homes`] : []),
    sumOf(view),
    '',
    ...view.footer,
  ];
  return lines.slice(0, rows).map((text) => text.slice(0, columns).trimEnd());
}

function titleOf({ title, nowMs, speed, logSize }: TableView): string {
  const instant = new Date(nowMs).toISOString();
  const pace = speed === 1 ? 'real time' : `${speed} times as fast`;
  return `${title}   ${instant.slice(0, 10)} ${instant.slice(11, 16)} UTC (${pace})   log ${logSize} entries`;
}

function line(textOf: (column: Column) => string): string {
  return COLUMNS.map((column) => fit(textOf(column), column.width)).join(' ');
}

/** Negative widths align to the left. */
function fit(text: string, width: number): string {
  const size = Math.abs(width);
  const short = text.length > size ? `${text.slice(0, size - 1)}~` : text;
  return width < 0 ? short.padEnd(size) : short.padStart(size);
}

/** Received and delivered are equal; the balances and the commons fund sum to zero. */
function sumOf({ rows, commonsMicro }: TableView): string {
  const sum = (of: (row: TableRow) => number) => rows.reduce((total, row) => total + of(row), 0);
  const all: TableRow = {
    home: 'street',
    sunW: sum(({ sunW = 0 }) => sunW),
    useW: sum(({ useW = 0 }) => useW),
    receivedMwh: sum(({ receivedMwh }) => receivedMwh),
    deliveredMwh: sum(({ deliveredMwh }) => deliveredMwh),
    amountMicro: rows.reduce((total, { amountMicro }) => total + amountMicro, commonsMicro),
    lastReceiptS: undefined,
    trouble: commonsMicro === 0n ? '' : `fund ${credits(commonsMicro)}`,
  };
  return line(({ cell }) => cell(all));
}

function power(watts: number | undefined): string {
  return watts === undefined ? '-' : (watts / 1_000).toFixed(2);
}

function energy(energyMwh: number): string {
  return formatKwh(energyMwh).slice(0, -3);
}

function credits(micro: bigint): string {
  const text = formatCredits(micro).slice(0, -3);
  if (/^-?0\.000$/.test(text)) return '0.000';
  return micro > 0n ? `+${text}` : text;
}

function timeOfDay(instantS: number | undefined): string {
  return instantS === undefined ? '-' : new Date(instantS * 1_000).toISOString().slice(11, 19);
}
