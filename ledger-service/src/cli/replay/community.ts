/** The community of a replay: one member, one gateway and one reference meter a home, all with fresh keys. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { fromHex, toHex } from '@commonwatt/firmware-protocol';
import { LedgerError } from '../../core/errors.js';
import type { MeterRecord } from '../../core/records/index.js';
import { type CommunityPlan, createCommunity, gatewayFile, type HomePlan, signHome } from '../community-setup.js';
import type { DataFolder } from '../data-folder.js';
import { type LineChild, textIn } from '../line-child.js';
import { MISSING_POLICIES, NETTINGS } from '../option-values.js';
import type { LedgerService } from '../service.js';
import type { Span } from './instants.js';
import type { ReplayOptions } from './options.js';
import type { RecordedFile, RecordedHome } from './recorded-file.js';

const HOST = 'replay.invalid';
const PROFILE = 'reference';
const COUNTER = { exponent: -3, widthBits: 64 } as const;
const GRID_IMPORT_AND_EXPORT: readonly number[] = [1, 2];
const START_TIMEOUT_MS = 60_000;

/**
 * A community of the same name for the same file, whoever replays it: ties are broken by a hash over that name, so two
 * replays of one file end in the same balances.
 */
export async function communityOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`;
    throw new LedgerError('bad-file', `${file}: ${why}`, { cause });
  }
  return `replay-${hash.digest('hex').slice(0, 8)}`;
}

export function planOf(community: string, options: ReplayOptions, file: RecordedFile, span: Span): CommunityPlan {
  return {
    community,
    host: HOST,
    currency: 'credits',
    intervalS: options.interval,
    timeZone: 'UTC',
    settings: {
      settleAfterS: 0,
      graceS: 0,
      maxSpanS: 0,
      outagePolicy: MISSING_POLICIES[options.missing],
      kAnonymity: 5,
      commonsMember: commonsOf(file),
    },
    rules: {
      netting: NETTINGS[options.netting],
      consumerRule: 1,
      producerRule: 1,
      priceMicroPerKwh: options.price,
      levyBasisPoints: options.levy,
    },
    firstIntervalS: span.firstEdgeS,
  };
}

/** A name for the fund that no home of the file has. */
function commonsOf({ homes }: RecordedFile): string {
  const taken = new Set(homes.map(({ id }) => id));
  for (let n = 0; ; n += 1) {
    const name = n === 0 ? 'commons' : `commons-${n}`;
    if (!taken.has(name)) return name;
  }
}

/** Begins the log, enrols every home with the key its gateway makes, and starts the gateways, all in one child. */
export async function setUp(input: {
  readonly service: LedgerService;
  readonly folder: DataFolder;
  readonly gateways: LineChild;
  readonly plan: CommunityPlan;
  readonly file: RecordedFile;
  readonly limitW: number;
}): Promise<void> {
  const { service, folder, gateways, plan, file, limitW } = input;
  const { ledger, crypto } = service.open;
  const keys = folder.createKeys(plan.community);
  await createCommunity(ledger, plan, { keys, hasher: crypto.hasher });
  const community = await ledger.community(plan.community);
  const origin = `${plan.host}/${plan.community}`;
  for (const home of file.homes) {
    const data = folder.childFolder(join('gateway', home.id));
    const key = textIn(await gateways.request('key', { gateway: home.id, data }), 'public_key');
    const enrolled = homePlan(home, fromHex(key), limitW);
    const nextNumber = await community.nextNumber(toHex(keys.operator.publicKey));
    const signed = signHome(enrolled, { origin, operator: keys.operator, hasher: crypto.hasher, nextNumber });
    await community.submit(signed.entries);
    const config = gatewayFile({
      community: plan.community,
      origin,
      logKey: toHex(keys.log.publicKey),
      answerKey: toHex(keys.answer.publicKey),
      intervalS: plan.intervalS,
      pollS: 0,
      mqtt: service.bus.url,
      plan: enrolled,
      firstPrevious: signed.firstPrevious,
      places: [{ profile: PROFILE, host: home.host, port: home.port, unit: home.unit }],
    });
    await gateways.request('start', { config, data }, START_TIMEOUT_MS);
  }
}

function homePlan({ id, quantities }: RecordedHome, publicKey: Uint8Array, limitW: number): HomePlan {
  const channels: MeterRecord['channels'] = quantities.map((quantity) => ({
    quantity,
    ...COUNTER,
    limitW: GRID_IMPORT_AND_EXPORT.includes(quantity) ? limitW : 0,
  }));
  return {
    home: id,
    member: id,
    memberClass: 1,
    isNewMember: true,
    publicKey,
    meters: [{ index: 0, id, generation: 1, channels }],
  };
}
