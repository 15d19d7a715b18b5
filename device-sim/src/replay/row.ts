import { isValidId } from '@commonwatt/firmware-protocol';
import { nearestName } from '@commonwatt/firmware-protocol/registers';
import { show } from '../fields.js';

/** The registers of a recorded file, and nothing else. */
export const REGISTERS = ['import', 'export', 'pv'] as const;
export type RegisterName = (typeof REGISTERS)[number];

/** One reading of the file. */
export interface RegisterRow {
  readonly timeMs: number;
  readonly household: string;
  readonly register: RegisterName;
  /** Undefined where the value is blank: not in the source. */
  readonly energyMwh: number | undefined;
}

/** Thrown for a line that is refused; the reader adds file and line number. */
export class RowError extends Error {}

const COLUMNS = ['utc_timestamp', 'household', 'register', 'value', 'unit'] as const;
type Column = (typeof COLUMNS)[number];

/** Which field of a line holds which column. Columns of other names are allowed and not read. */
export type ColumnPlaces = Readonly<Record<Column, number>> & { readonly count: number };

const INSTANT = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.0{1,9})?)?(Z|[+-]\d\d:?\d\d)$/;
const DECIMAL = /^(\d{1,16})(?:\.(\d{1,6})0*)?$/;
const MINUTE_MS = 60_000;

/** The header line. Throws RowError if a column is missing or stands twice. */
export function parseHeader(line: string): ColumnPlaces {
  const names = splitCsv(line);
  const places = Object.fromEntries(COLUMNS.map((column) => [column, placeOf(column, names)])) as Record<
    Column,
    number
  >;
  return { ...places, count: names.length };
}

function placeOf(column: Column, names: readonly string[]): number {
  const place = names.indexOf(column);
  if (place < 0) {
    const unread = names.filter((name) => !(COLUMNS as readonly string[]).includes(name));
    const nearest = nearestName(column, unread);
    const hint = nearest === undefined ? '' : `, is it ${show(nearest)}?`;
    throw new RowError(`expected a header with the column ${column}, got ${show(names.join(','))}${hint}`);
  }
  if (names.indexOf(column, place + 1) >= 0) throw new RowError(`the column ${column} stands twice in the header`);
  return place;
}

/** Untrusted: one line of the file after the header. Throws RowError with what was expected and what came. */
export function parseRow(line: string, places: ColumnPlaces): RegisterRow {
  const fields = splitCsv(line);
  if (fields.length !== places.count) throw new RowError(`expected ${places.count} fields, got ${fields.length}`);
  const field = (column: Column): string => fields[places[column]]!.trim();
  const household = fields[places.household]!;
  if (!isValidId(household)) {
    throw new RowError(`household: expected an id of letters, digits, ".", "_", "-", got ${show(household)}`);
  }
  if (field('unit') !== 'kWh') throw new RowError(`unit: expected kWh, got ${show(field('unit'))}`);
  return {
    timeMs: parseInstant(field('utc_timestamp')),
    household,
    register: parseRegister(field('register')),
    energyMwh: parseEnergy(field('value')),
  };
}

function parseRegister(text: string): RegisterName {
  const register = REGISTERS.find((one) => one === text);
  if (register !== undefined) return register;
  const nearest = nearestName(text, REGISTERS);
  throw new RowError(
    `register: expected ${REGISTERS.join(', ')}, got ${show(text)}${nearest === undefined ? '' : `, is it ${nearest}?`}`,
  );
}

/** ISO 8601 with Z or an offset, in whole seconds, as UTC milliseconds. */
export function parseInstant(text: string): number {
  const match = INSTANT.exec(text);
  const expected = 'utc_timestamp: expected a time like 2024-01-31T12:15:00Z';
  if (match === null) throw new RowError(`${expected}, got ${show(text)}`);
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const localMs = Date.UTC(year, month - 1, day, hour, minute, second);
  const back = new Date(localMs);
  const isReal =
    back.getUTCMonth() === month - 1 && back.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  const utcMs = localMs - offsetMs(match[7]!);
  if (!isReal || year < 1970 || utcMs < 0) throw new RowError(`${expected}, got ${show(text)}, which does not exist`);
  return utcMs;
}

function offsetMs(zone: string): number {
  if (zone === 'Z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(-2));
  if (hours > 18 || minutes > 59) throw new RowError(`utc_timestamp: there is no offset ${zone}`);
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * MINUTE_MS;
}

/** kWh as decimal text to mWh, digit by digit: six decimals of a kWh are one mWh, and no float is ever in between. */
export function parseEnergy(text: string): number | undefined {
  if (text === '') return undefined;
  const match = DECIMAL.exec(text);
  if (match === null) {
    throw new RowError(`value: expected kWh as a decimal >= 0 with at most six decimals, got ${show(text)}`);
  }
  // At most 22 digits: Number() rounds only above 2^53 - 1, where the value is refused anyhow.
  const energyMwh = Number(match[1]! + (match[2] ?? '').padEnd(6, '0'));
  if (!Number.isSafeInteger(energyMwh)) {
    throw new RowError(`value: expected at most 9007199254.740991 kWh, got ${show(text)}`);
  }
  return energyMwh;
}

/** RFC 4180 without line breaks inside quotes. Throws RowError if a quote is not closed. */
function splitCsv(line: string): string[] {
  if (!line.includes('"')) return line.split(',');
  const fields: string[] = [];
  let rest = line;
  for (;;) {
    const quoted = /^\s*"((?:[^"]|"")*)"\s*(,|$)/.exec(rest);
    const plain = quoted ?? /^([^",]*)(,|$)/.exec(rest);
    if (plain === null) throw new RowError('a quotation mark is not closed, or stands inside a field');
    fields.push(quoted === null ? plain[1]! : plain[1]!.replaceAll('""', '"'));
    if (plain[2] === '') return fields;
    rest = rest.slice(plain[0].length);
  }
}
