/** A community on a data folder as `init` and `enrol` make it, but with hundreds of homes in a few commits. */
import type { Quantity } from '@commonwatt/firmware-protocol';
import { type CommunityPlan, createCommunity, signHome } from '@commonwatt/ledger-service/dist/cli/community-setup.js';
import { DataFolder } from '@commonwatt/ledger-service/dist/cli/data-folder.js';
import { type OpenLedger, openLedger } from '@commonwatt/ledger-service/dist/cli/open-ledger.js';
import type { CommunityLedger } from '@commonwatt/ledger-service/dist/usecases/community-ledger.js';
import type { Clock } from '@commonwatt/ledger-service/dist/usecases/ports.js';
import { boxSeed, SealingBox } from './sealing-box.js';

export const COMMUNITY = 'bench';
export const ORIGIN = `ledger.example/${COMMUNITY}`;

/** Entries handed in together. */
const ENTRIES_A_COMMIT = 200;
/** The operator's first three entries: genesis, commons fund, rules. */
const FIRST_FREE_NUMBER = 4;
const PRICE_MICRO_PER_KWH = 120_000;
const LEVY_BASIS_POINTS = 200;

export interface CommunityShape {
  readonly homes: number;
  readonly quantities: readonly Quantity[];
  readonly intervalS: CommunityPlan['intervalS'];
  /** UTC seconds, on the grid of the interval. */
  readonly firstIntervalS: number;
}

export interface FoundedCommunity {
  readonly folder: DataFolder;
  readonly boxes: readonly SealingBox[];
  readonly logKey: Uint8Array;
}

/** Makes the folder, the community and its homes, and closes the store again. */
export async function foundCommunity(path: string, shape: CommunityShape, clock: Clock): Promise<FoundedCommunity> {
  const folder = new DataFolder(path);
  const open = openLedger(folder, clock);
  try {
    const keys = folder.createKeys(COMMUNITY);
    const { hasher } = open.crypto;
    await createCommunity(open.ledger, planOf(shape), { keys, hasher });
    const boxes: SealingBox[] = [];
    const entries = Array.from({ length: shape.homes }, (_, home) => {
      const box = new SealingBox({ origin: ORIGIN, home: `h${home}`, seed: boxSeed(home), hasher });
      const signed = signHome(homeOf(box, shape.quantities), {
        origin: ORIGIN,
        operator: keys.operator,
        hasher,
        nextNumber: FIRST_FREE_NUMBER + 2 * home,
      });
      box.begin(signed.firstPrevious);
      boxes.push(box);
      return signed.entries;
    }).flat();
    await submitAll(await open.ledger.community(COMMUNITY), entries);
    return { folder, boxes, logKey: keys.log.publicKey };
  } finally {
    await open.close();
  }
}

/** Runs `work` on the ledger of a folder, and closes it whatever happens. */
export async function withLedger<T>(
  folder: DataFolder,
  clock: Clock,
  work: (open: OpenLedger, community: CommunityLedger) => Promise<T>,
): Promise<T> {
  const open = openLedger(folder, clock);
  try {
    return await work(open, await open.ledger.community(COMMUNITY));
  } finally {
    await open.close();
  }
}

function planOf({ intervalS, firstIntervalS }: CommunityShape): CommunityPlan {
  return {
    community: COMMUNITY,
    host: 'ledger.example',
    currency: 'credits',
    intervalS,
    timeZone: 'UTC',
    settings: {
      settleAfterS: intervalS,
      graceS: 172_800,
      maxSpanS: intervalS,
      outagePolicy: 0,
      kAnonymity: 5,
      commonsMember: 'commons',
    },
    rules: {
      netting: 2,
      consumerRule: 1,
      producerRule: 1,
      priceMicroPerKwh: PRICE_MICRO_PER_KWH,
      levyBasisPoints: LEVY_BASIS_POINTS,
    },
    firstIntervalS,
  };
}

function homeOf(box: SealingBox, quantities: readonly Quantity[]) {
  const channels = quantities.map((quantity) => ({ quantity, exponent: -3, widthBits: 64, limitW: 30_000 }) as const);
  return {
    home: box.home,
    member: `m-${box.home}`,
    memberClass: 1,
    isNewMember: true,
    publicKey: box.publicKey,
    meters: [{ index: 0, id: `e-${box.home}`, generation: 0, channels }],
  } as const;
}

async function submitAll(
  community: CommunityLedger,
  entries: readonly { kind: number; cose: Uint8Array }[],
): Promise<void> {
  for (let from = 0; from < entries.length; from += ENTRIES_A_COMMIT) {
    await community.submit(entries.slice(from, from + ENTRIES_A_COMMIT));
  }
}
