/**
 * The rows a community's state is made of. Sources are what the log cannot be rebuilt without; every other table is a
 * projection: a fold of the sources, dropped and rebuilt at will (LOG 8.3).
 */
import type { MicroCredits, MilliwattHours, SequenceState } from '@commonwatt/firmware-protocol';
import type { MeterDay } from './intervals/meter-day.js';
import { keptByName, keptByNumber } from './kept-texts.js';
import type { Genesis, MeterRecord, RuleSettings } from './records/index.js';

/** Sources. Keys: `leaf` indexKey; `opening` indexKey/part; `checkpoint` indexKey of the size; `privacy_key` member or '' for the community; `parked` kid/number, or request/kid for an epoch request that the operator has to sign. */
export const SOURCE_TABLES = ['leaf', 'opening', 'checkpoint', 'privacy_key', 'parked'] as const;

/** Projections whose rows are few (bounded by the community, not by its age): loaded whole. */
export const SMALL_TABLES = [
  'community',
  'signer',
  'party',
  'device',
  'sequence',
  'meter',
  'rules',
  'channel',
  'due',
  'unsealed',
  'balance',
] as const;

/** Projections that grow with time: rows are loaded by key. */
export const LARGE_TABLES = ['readings', 'frame', 'interval', 'settlement', 'posting', 'seal', 'tile'] as const;

export const PROJECTION_TABLES = [...SMALL_TABLES, ...LARGE_TABLES] as const;

/**
 * Beside the log: neither a source of it nor a fold of it, and no decision reads them. Keys: `idempotency` the SHA-256 of
 * a caller's key, in hex.
 */
export const SIDE_TABLES = ['idempotency'] as const;

export const ALL_TABLES = [...SOURCE_TABLES, ...PROJECTION_TABLES, ...SIDE_TABLES] as const;

export type SourceTable = (typeof SOURCE_TABLES)[number];
export type SmallTable = (typeof SMALL_TABLES)[number];
export type LargeTable = (typeof LARGE_TABLES)[number];
export type SideTable = (typeof SIDE_TABLES)[number];
export type ProjectionTable = (typeof PROJECTION_TABLES)[number];
export type TableName = (typeof ALL_TABLES)[number];

/** What a store keeps: text (JSON) or bytes. */
export type RowValue = string | Uint8Array;

/** The form in which rows of projections are written. Those of another form are not read but made anew by a rebuild. */
export const PROJECTION_FORM = 3;

/** Why these rows cannot be read, in a sentence; undefined where they can. */
export function formProblem(community: string, row: CommunityRow | undefined): string | undefined {
  if (row === undefined || row.form === PROJECTION_FORM) return undefined;
  const forms = `expected projections of form ${PROJECTION_FORM}, got ${row.form ?? 1}`;
  return `community ${community}: ${forms}; rebuild the projections`;
}

/** One row '' : the genesis and what moves with the log as a whole. */
export interface CommunityRow {
  /** PROJECTION_FORM of the code that made the rows. */
  readonly form: number;
  readonly genesis: Genesis;
  /** Peaks of the log's tree after the newest folded entry, hex, left to right. */
  readonly peaks: readonly string[];
  readonly size: number;
  /** The newest `received` of any frame, UTC seconds. */
  readonly newestReceivedS: number;
  /** The newest instant that the log itself tells of, UTC seconds: a `received`, or when a version could be booked first. */
  readonly newestS: number;
  readonly sealNumber: number;
  readonly sealIndex: number;
  /** Entries below this index are covered by a seal. */
  readonly sealedSize: number;
  /** No frame and no settlement has come since the newest seal. */
  readonly isSealed: boolean;
}

/** Key: the signer's public key in hex. */
export interface SignerRow {
  readonly lastNumber: number;
}

/** Key: member id. */
export interface PartyRow {
  readonly memberClass: 1 | 2 | 3;
  readonly index: number;
  readonly name?: string;
  readonly address?: string;
  /** hex */
  readonly memberKey?: string;
}

/** Key: kid in hex. */
export interface DeviceRow {
  readonly publicKey: string;
  readonly home: string;
  readonly member: string;
  /** Index of the newest device entry of this kid. */
  readonly index: number;
  readonly meters: readonly MeterRecord[];
  /** Index of the entry that revoked it; active while absent. */
  readonly revokedIndex?: number;
}

/** Key: kid in hex. Parked frames are a source and not in here. */
export interface SequenceRow {
  readonly state: Omit<SequenceState, 'parked'>;
  /** Wall clock and uptime of the newest accepted frame, to notice clock steps. */
  readonly lastBoot: number;
  readonly lastUptimeMs: number;
  readonly lastReceivedS: number;
  readonly lastIndex: number;
  readonly accepted: number;
  /** The entry that opened the epoch: the answer to the request that asked for it, however often it comes. */
  readonly openingIndex: number;
  /** SHA-256 of that request's message in hex; absent for epoch 1, which the device entry opened. */
  readonly openingRequest?: string;
  /** The numbers that the newest one shares a row with: they get their row of `frame` when all of them are over. */
  readonly recent?: { readonly chunk: number; readonly entries: FrameRow };
  /** The newest gap that the box asked for: its message's SHA-256 in hex, and the entry it became. */
  readonly gapRequest?: string;
  readonly gapIndex?: number;
}

/** Key: meter id. A meter that ever stood in the log keeps its row: its generation, and what it measured, stay. */
export interface MeterRow {
  readonly kid: string;
  readonly home: string;
  readonly member: string;
  readonly index: number;
  readonly generation: number;
  readonly channels: MeterRecord['channels'];
  /** The newest instant that the log told of when the meter was first enrolled, UTC seconds; absent: it told of none. */
  readonly enrolledS?: number;
  /** Index of the device entry whose list no longer had it; part of the list while absent. */
  readonly removedIndex?: number;
  /** The newest counter event: its message's SHA-256 in hex, and the entry it became. */
  readonly eventHash?: string;
  readonly eventIndex?: number;
}

/** Key: indexKey of the rules entry. */
export interface RulesRow {
  readonly index: number;
  readonly number: number;
  readonly settings: RuleSettings;
  readonly firstIntervalS: number;
  readonly text: string;
  readonly decidedBy?: string;
}

/** Key: meter id. All channels of a meter share a row, by quantity: a frame brings readings of all of them. */
export interface MeterChannels {
  readonly [quantity: number]: ChannelRow;
}

export interface ChannelRow {
  /** The oldest reading there is, good or not; absent before the first. */
  readonly sinceS?: number;
  /** A counter's segments: energy is only ever a difference inside one. */
  readonly segments: readonly { readonly segment: number; readonly fromS: number }[];
  readonly baseline?: { readonly timeS: number; readonly valueMwh: MilliwattHours };
  /** A leap beyond the limit that waits for a second reading to confirm it. */
  readonly candidate?: { readonly timeS: number; readonly valueMwh: MilliwattHours };
  /** The same two of each counter before, which held until a signed break: its last readings may come late. Rising. */
  readonly past?: readonly (Pick<ChannelRow, 'baseline' | 'candidate'> & { readonly untilS: number })[];
  readonly accepted: number;
  readonly flagged: number;
}

/** Key: startKey. Present once any unit's energy of the interval was known. */
export interface IntervalRow {
  /** Newest settlement version, 0 before the first. */
  readonly version: number;
  readonly final: boolean;
  /** Index of the newest settlement entry, -1 before the first. */
  readonly settledIndex: number;
  /** Index of the newest entry that changed an energy of this interval. */
  readonly touchedIndex: number;
}

/** Key: startKey/versionKey. The lines are in the opening of `index`, part 0; the totals in part 1. */
export interface SettlementRow {
  readonly index: number;
  readonly reason: number;
  readonly rulesIndex: number;
  readonly previousIndex?: number;
  readonly final: boolean;
}

/** Key: account, that is a member id. */
export interface BalanceRow {
  readonly amountMicro: MicroCredits;
  readonly energyMwh: number;
}

/** Key: number, 12 digits. */
export interface SealRow {
  readonly index: number;
  readonly leafCount: number;
  readonly root: string;
}

/** Key: frameKey. Which entries a box's numbers became, of 10 numbers (frame-chunks.ts). */
export type FrameRow = Uint8Array;

/** One reading of a channel, unpacked. `good` readings can be edges; the others wait or are only counted. */
export interface StoredReading {
  readonly timeS: number;
  readonly valueMwh: number;
  readonly segment: number;
  readonly good: boolean;
  /** Source 1 to 3 and an error of at most 1 percent of the interval. */
  readonly trustedClock: boolean;
}

export interface RowTypes {
  community: CommunityRow;
  signer: SignerRow;
  party: PartyRow;
  device: DeviceRow;
  sequence: SequenceRow;
  meter: MeterRow;
  rules: RulesRow;
  channel: MeterChannels;
  due: true;
  /** Key: indexKey of a settlement entry that no seal covers yet. */
  unsealed: { readonly startS: number; readonly version: number };
  balance: BalanceRow;
  /** Key: meter/day, in days since 1970, UTC, 12 digits. */
  readings: MeterDay;
  frame: FrameRow;
  interval: IntervalRow;
  settlement: SettlementRow;
  /** Key: indexKey of the settlement entry (later: of any entry that books). What posting-codec.ts writes. */
  posting: Uint8Array;
  seal: SealRow;
  /** Key: level/number; 1 to 256 hashes of 32 bytes (level 0: leaf hashes; level n: roots of full tiles of n - 1). */
  tile: Uint8Array;
  /** A source that decisions read: salt (16 bytes), then content. Key: openingKey. */
  opening: Uint8Array;
}

/** What a decision can read and write: the projections, and the openings of private contents. */
export type RowTable = keyof RowTypes;

const DIGITS = 12;
const padded = (n: number): string => n.toString().padStart(DIGITS, '0');

const FIRST_PART = padded(0);

export const indexKey = padded;
export const startKey = keptByNumber(padded);
export const openingKey = (index: number, part = 0): string => openingKeyOf(padded(index), part);
/** The same from the entry's own key. */
export const openingKeyOf = (key: string, part = 0): string => `${key}/${part === 0 ? FIRST_PART : padded(part)}`;
const dayOfMeterKey = keptByName((meter, day) => `${meter}/${padded(day)}`);
export const readingsKey = (meter: string, timeS: number): string => dayOfMeterKey(meter, Math.floor(timeS / 86_400));
/** Numbers of frames that share a row: a row of its own for each would touch a page of its own. */
export const CHUNK_NUMBERS = 10;
export const chunkOf = (number: number): number => Math.floor(number / CHUNK_NUMBERS);
/** Of the row that this number shares with those beside it. */
export const frameKey = (kid: string, epoch: number, number: number): string =>
  `${kid}/${padded(epoch)}/${chunkOf(number).toString().padStart(16, '0')}`;
export const parkedKey = (kid: string, number: number): string => `${kid}/${number.toString().padStart(16, '0')}`;
/** No kid in hex begins like this. */
export const PENDING_REQUESTS = 'request/';
export const pendingRequestKey = (kid: string): string => `${PENDING_REQUESTS}${kid}`;
export const settlementKey = (startS: number, version: number): string => `${padded(startS)}/${padded(version)}`;
export const tileKey = (level: number, number: number): string =>
  `${level.toString().padStart(2, '0')}/${padded(number)}`;
