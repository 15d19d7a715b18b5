import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fromHex, toHex } from '@commonwatt/firmware-protocol';
import { safeUrl } from '../adapters/mqtt/broker-client.js';
import { LedgerError } from '../core/errors.js';
import { gatewayFile, type HomePlan, signHome } from './community-setup.js';
import { type CommandContext, EXIT } from './context.js';
import { DataFolder } from './data-folder.js';
import { chooseCommunity, type Door, openDoor, textOf } from './door.js';
import { MEMBER_CLASSES } from './member-classes.js';
import { type EnrolledMeter, type MeterOptions, parseMeters } from './meter-options.js';
import { type OperatorOptions, signingFor, submitSigned } from './operator-entries.js';

export interface EnrolOptions extends MeterOptions, OperatorOptions {
  /** Absent: a pseudonym is drawn. */
  readonly home?: string;
  readonly key: string;
  readonly member?: string;
  readonly name?: string;
  readonly poll: number;
  readonly mqtt?: string;
}

const DEFAULT_MQTT = 'mqtt://127.0.0.1:1883';
const MAX_KEY_FILE_BYTES = 4_096;
/** Letters and digits that are not mistaken for each other when read aloud. */
const PSEUDONYM_LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789';
const PSEUDONYM_LENGTH = 8;

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
    const meters = await withGenerations(door, community, parseMeters(options, home));
    const plan: HomePlan = {
      home,
      member,
      memberClass: MEMBER_CLASSES[options.class],
      isNewMember: !(await isKnown(door, `/v1/communities/${community}/members/${member}`)),
      ...(options.name !== undefined && { name: options.name }),
      publicKey,
      meters: meters.map(({ record }) => record),
    };
    const opening = await openingOf(door, community, publicKey);
    const { entries, firstPrevious } = signHome(plan, signingFor(options, community, about));
    const indices = await submitSigned(door, community, entries);
    const mqtt = options.mqtt ?? folder.serving()?.mqtt ?? DEFAULT_MQTT;
    const file = folder.writeGatewayFile(
      community,
      home,
      gatewayFile({
        community,
        origin: textOf(about, 'origin'),
        logKey: textOf(about, 'log_key'),
        answerKey: textOf(about, 'answer_key'),
        intervalS: Number(about.interval_s),
        pollS: options.poll,
        mqtt,
        plan,
        firstPrevious: opening ?? firstPrevious,
        places: meters.map(({ place }) => place),
      }),
    );
    output.result(
      { community, home, member, public_key: toHex(publicKey), indices, config: file },
      [
        `Home ${home} of member ${member} is enrolled in ${community}.`,
        `The gateway's configuration is ${file}; it goes to the broker at ${safeUrl(mqtt)} (another: --mqtt).`,
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

async function isKnown(door: Door, path: string): Promise<boolean> {
  try {
    await door.get(path);
    return true;
  } catch (error) {
    if (error instanceof LedgerError && error.code === 'not-found') return false;
    throw error;
  }
}

/** A meter that counts in a later generation goes on in it, whichever gateway reads it. */
async function withGenerations(
  door: Door,
  community: string,
  meters: readonly EnrolledMeter[],
): Promise<readonly EnrolledMeter[]> {
  const { items } = await door.list(`/v1/communities/${community}/meters`);
  const known = new Map(items.map(({ id, generation }) => [id, Number(generation)]));
  return meters.map(({ record, place }) => {
    return { record: { ...record, generation: known.get(record.id) ?? record.generation }, place };
  });
}

/**
 * The same key again only replaces its meters: the chain of frames goes on, and with it what its frame 1 names as previous.
 * The log knows that, also where the file that was written then is gone. Undefined for a key that is new.
 */
async function openingOf(door: Door, community: string, publicKey: Uint8Array): Promise<Uint8Array | undefined> {
  const { items } = await door.list(`/v1/communities/${community}/gateways`);
  const known = items.find(({ public_key: key, revoked_index: revoked }) => {
    return key === toHex(publicKey) && revoked === undefined;
  });
  return known === undefined ? undefined : fromHex(textOf(known, 'opening_hash'));
}
