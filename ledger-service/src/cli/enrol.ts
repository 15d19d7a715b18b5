import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fromHex, Quantity, toBase64, toHex } from '@commonwatt/firmware-protocol';
import { findProfile } from '@commonwatt/firmware-protocol/registers';
import { nodeHasher } from '../adapters/system/node-crypto.js';
import { LedgerError } from '../core/errors.js';
import type { MemberClass, MeterRecord } from '../core/records/index.js';
import { gatewayFile, type HomePlan, type MeterPlace, signHome } from './community-setup.js';
import { type CommandContext, EXIT } from './context.js';
import { DataFolder } from './data-folder.js';
import { chooseCommunity, type Door, type Json, openDoor } from './door.js';

export interface EnrolOptions {
  readonly data: string;
  readonly community?: string;
  /** Absent: a pseudonym is drawn. */
  readonly home?: string;
  readonly key: string;
  readonly meter: readonly string[];
  readonly member?: string;
  readonly name?: string;
  readonly class: MemberClassName;
  readonly host: string;
  readonly port: number;
  readonly unit?: number;
  /** Watts; 0: no limit. */
  readonly limit: number;
  readonly poll: number;
  readonly mqtt?: string;
}

export const MEMBER_CLASSES = { household: 1, commons: 2, commercial: 3 } as const;
export type MemberClassName = keyof typeof MEMBER_CLASSES;

const DEFAULT_MQTT = 'mqtt://127.0.0.1:1883';
const MAX_KEY_FILE_BYTES = 4_096;
const MAX_ID = 64;
/** Letters and digits that are not mistaken for each other when read aloud. */
const PSEUDONYM_LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789';
const PSEUDONYM_LENGTH = 8;
const METER = /^([a-z0-9-]+)(?::([a-z,]+))?(?:@(\[[0-9a-fA-F:]+\]|[^:/@\s]+)(?::(\d{1,5}))?(?:\/(\d{1,3}))?)?$/;

/** Signs a member and a device into the log and writes the gateway's configuration. */
export async function runEnrol(options: EnrolOptions, { output }: CommandContext): Promise<number> {
  const folder = new DataFolder(options.data);
  const publicKey = readPublicKey(options.key);
  const door = await openDoor(folder);
  try {
    const community = await chooseCommunity(door, options.community);
    const about = await door.get(`/v1/communities/${community}`);
    const home = options.home ?? drawPseudonym();
    const member = options.member ?? home;
    const meters = parseMeters(options, home);
    const plan: HomePlan = {
      home,
      member,
      memberClass: MEMBER_CLASSES[options.class] as MemberClass,
      isNewMember: !(await isKnown(door, `/v1/communities/${community}/members/${member}`)),
      ...(options.name !== undefined && { name: options.name }),
      publicKey,
      meters: meters.map(({ record }) => record),
    };
    const known = await enrolledBefore(door, community, publicKey);
    const { entries, firstPrevious } = signHome(plan, {
      origin: text(about, 'origin'),
      operator: folder.readKey(community, 'operator'),
      hasher: nodeHasher(),
      nextNumber: Number(about.next_number),
    });
    const earlier = known ? earlierPrevious(folder.gatewayFile(community, home)) : undefined;
    const { indices } = await door.post(`/v1/communities/${community}/entries`, {
      entries: entries.map(({ kind, cose }) => ({ kind, cose: toBase64(cose) })),
    });
    const file = folder.writeGatewayFile(
      community,
      home,
      gatewayFile({
        community,
        origin: text(about, 'origin'),
        logKey: text(about, 'log_key'),
        answerKey: text(about, 'answer_key'),
        intervalS: Number(about.interval_s),
        pollS: options.poll,
        mqtt: options.mqtt ?? folder.serving()?.mqtt ?? DEFAULT_MQTT,
        plan,
        firstPrevious: earlier ?? firstPrevious,
        places: meters.map(({ place }) => place),
      }),
    );
    output.result(
      { community, home, member, public_key: toHex(publicKey), indices, config: file },
      [
        `Home ${home} of member ${member} is enrolled in ${community}.`,
        `The gateway's configuration is ${file}.`,
        '',
        'What next: copy that file to the box and start it there:',
        `  commonwatt-gateway run --config ${home}.json --data DIR`,
      ].join('\n'),
    );
  } finally {
    await door.close();
  }
  return EXIT.done;
}

/** What `commonwatt-gateway key` printed: 64 hex digits, alone or as `public_key` of a JSON object. Throws 'bad-file'. */
export function readPublicKey(file: string): Uint8Array {
  let content: string;
  try {
    content = readFileSync(file, 'utf8').slice(0, MAX_KEY_FILE_BYTES).trim();
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new LedgerError('bad-file', `--key ${file} cannot be read (${code})`, { cause });
  }
  const hex = /^[0-9a-f]{64}$/.test(content) ? content : fromJson(content);
  if (hex !== undefined) return fromHex(hex);
  throw new LedgerError('bad-file', `--key ${file}: expected the 64 hex digits that commonwatt-gateway key prints`);
}

function fromJson(content: string): string | undefined {
  try {
    const { public_key: key } = JSON.parse(content) as { public_key?: unknown };
    return typeof key === 'string' && /^[0-9a-f]{64}$/.test(key) ? key : undefined;
  } catch {
    return undefined;
  }
}

function drawPseudonym(): string {
  const letters = [...randomBytes(PSEUDONYM_LENGTH)].map((byte) => PSEUDONYM_LETTERS[byte % PSEUDONYM_LETTERS.length]);
  return `h-${letters.join('')}`;
}

interface EnrolledMeter {
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
function parseMeters(options: EnrolOptions, home: string): readonly EnrolledMeter[] {
  const taken = new Set<Quantity>();
  return options.meter.map((text, index) => {
    const meter = parseMeter(text, { ...options, home, index, taken });
    for (const { quantity } of meter.record.channels) taken.add(quantity);
    return meter;
  });
}

interface MeterContext extends EnrolOptions {
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
  const profile = findProfile(name);
  const offered = profile.channels.map(({ quantity }) => quantity);
  const fresh = offered.filter((quantity) => !at.taken.has(quantity));
  const quantities = counters === undefined ? (fresh.length > 0 ? fresh : offered) : parseCounters(counters, offered);
  return {
    record: meterRecord(profile, { id: meterId(at.home, at.index), index: at.index, limitW: at.limit, quantities }),
    place: {
      profile: profile.name,
      host: host ?? at.host,
      port: port === undefined ? at.port : Number(port),
      unit: unit === undefined ? (at.unit ?? profile.unit) : Number(unit),
    },
  };
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

async function isKnown(door: Door, path: string): Promise<boolean> {
  try {
    await door.get(path);
    return true;
  } catch (error) {
    if (error instanceof LedgerError && error.code === 'not-found') return false;
    throw error;
  }
}

/** The same key again only replaces its meters: the chain of frames goes on, and with it what frame 1 named. */
async function enrolledBefore(door: Door, community: string, publicKey: Uint8Array): Promise<boolean> {
  const { items } = await door.list(`/v1/communities/${community}/gateways?`);
  return items.some((item) => item.public_key === toHex(publicKey) && item.revoked_index === undefined);
}

function earlierPrevious(file: string): Uint8Array | undefined {
  if (!existsSync(file)) return undefined;
  const { first_previous: hex } = JSON.parse(readFileSync(file, 'utf8')) as { first_previous?: unknown };
  return typeof hex === 'string' ? fromHex(hex) : undefined;
}

function text(answer: Json, name: string): string {
  const value = answer[name];
  if (typeof value === 'string') return value;
  throw new LedgerError('child', `the ledger's answer: expected ${name} as text, got ${typeof value}`);
}
