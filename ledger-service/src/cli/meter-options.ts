/** Meters as they are named on the command line: a profile, which of its counters, and where it answers. */
import { Quantity } from '@commonwatt/firmware-protocol';
import { findProfile } from '@commonwatt/firmware-protocol/registers';
import { LedgerError } from '../core/errors.js';
import type { MeterRecord } from '../core/records/index.js';
import type { MeterPlace } from './community-setup.js';
import { DEFAULT_LIMITS_W, type MemberClassName } from './member-classes.js';

export interface MeterOptions {
  readonly meter: readonly string[];
  readonly class: MemberClassName;
  readonly host: string;
  readonly port: number;
  readonly unit?: number;
  /** Watts; 0: no limit. Absent: that of the class. */
  readonly limit?: number;
}

const MAX_ID = 64;
const MAX_PORT = 65_535;
const MAX_UNIT = 255;
const METER = /^([a-z0-9-]+)(?::([a-z,]+))?(?:@(\[[0-9a-fA-F:]+\]|[^:/@\s]+)(?::(\d{1,5}))?(?:\/(\d{1,3}))?)?$/;

export interface EnrolledMeter {
  readonly record: MeterRecord;
  readonly place: MeterPlace;
}

/** What a counter is called on the command line. */
const COUNTERS: { readonly [name: string]: Quantity } = {
  import: Quantity.gridImport,
  export: Quantity.gridExport,
  generation: Quantity.generation,
  charge: Quantity.storageCharge,
  discharge: Quantity.storageDischarge,
};

/**
 * A home's grid is measured once: a further meter brings what none before it has, unless its counters are named or it has
 * nothing else. An inverter beside a grid meter is thereby not waited for as a second connection to the grid.
 */
export function parseMeters(options: MeterOptions, home: string): readonly EnrolledMeter[] {
  const taken = new Set<Quantity>();
  return options.meter.map((text, index) => {
    const meter = parseMeter(text, { ...options, home, index, taken });
    for (const { quantity } of meter.record.channels) taken.add(quantity);
    return meter;
  });
}

interface MeterContext extends MeterOptions {
  readonly home: string;
  readonly index: number;
  readonly taken: ReadonlySet<Quantity>;
}

/** `PROFILE`, `PROFILE:COUNTER,...`, each with `@HOST:PORT/UNIT` where it does not stand where the other options say. */
function parseMeter(text: string, at: MeterContext): EnrolledMeter {
  const match = METER.exec(text);
  if (match === null) {
    const expected = 'PROFILE, PROFILE:COUNTER,... or either with @HOST:PORT/UNIT';
    throw new LedgerError('config', `--meter: expected ${expected}, got ${text.slice(0, 80)}`);
  }
  const [, name = '', counters, host, port, unit] = match;
  checkAddress(text, { port, unit });
  const profile = findProfile(name);
  const offered = profile.channels.map(({ quantity }) => quantity);
  const fresh = offered.filter((quantity) => !at.taken.has(quantity));
  const quantities = counters === undefined ? (fresh.length > 0 ? fresh : offered) : parseCounters(counters, offered);
  return {
    record: meterRecord(profile, {
      id: meterId(at.home, at.index),
      index: at.index,
      limitW: at.limit ?? DEFAULT_LIMITS_W[at.class],
      quantities,
    }),
    place: {
      profile: profile.name,
      host: host ?? at.host,
      port: port === undefined ? at.port : Number(port),
      unit: unit === undefined ? (at.unit ?? profile.unit) : Number(unit),
    },
  };
}

function checkAddress(
  text: string,
  { port = '1', unit = '0' }: { port: string | undefined; unit: string | undefined },
): void {
  if (Number(port) >= 1 && Number(port) <= MAX_PORT && Number(unit) <= MAX_UNIT) return;
  const expected = `a port from 1 to ${MAX_PORT} and a unit from 0 to ${MAX_UNIT}`;
  throw new LedgerError('config', `--meter: expected ${expected}, got ${text.slice(0, 80)}`);
}

function parseCounters(text: string, offered: readonly Quantity[]): readonly Quantity[] {
  return text.split(',').map((name) => {
    const quantity = COUNTERS[name];
    if (quantity !== undefined && offered.includes(quantity)) return quantity;
    const names = Object.keys(COUNTERS).filter((known) => offered.includes(COUNTERS[known]!));
    throw new LedgerError('config', `--meter: expected counters of ${names.join(', ')}, got ${name || 'none'}`);
  });
}

/** What stands in the log of a meter of this profile; `quantities` narrows it to those it really has. */
export function meterRecord(
  profile: ReturnType<typeof findProfile>,
  { id, index, limitW, quantities }: { id: string; index: number; limitW: number; quantities?: readonly number[] },
): MeterRecord {
  return {
    index,
    id,
    generation: 1,
    channels: profile.channels
      .filter(({ quantity }) => quantities === undefined || quantities.includes(quantity))
      .map(({ quantity, exponent, widthBits }) => ({
        quantity,
        exponent,
        widthBits: widthBits as MeterRecord['channels'][number]['widthBits'],
        limitW,
      })),
  };
}

export function meterId(home: string, index: number): string {
  const suffix = `-m${index}`;
  return `${home.slice(0, MAX_ID - suffix.length)}${suffix}`;
}
