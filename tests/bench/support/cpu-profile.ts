/** Where the CPU went, out of the profiles that `node --cpu-prof` writes: each sample counts to the part its stack names first. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The parts of the service's work, in the order of the river. */
export const PARTS = [
  'verify',
  'parse and encode',
  'hashes and tree',
  'readings and intervals',
  'decide and commit',
  'store',
  'settle',
  'MQTT and sockets',
  'garbage collection',
  'signatures made',
  'rest',
] as const;
export type Part = (typeof PARTS)[number];

/** Microseconds of CPU by part. */
export type PartTimes = Readonly<Record<Part, number>>;

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: CallFrame;
  readonly children?: readonly number[];
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  /** Microseconds of the monotonic clock. */
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

type Rule = readonly [Part | 'idle', RegExp];

/** Asked from the innermost function outwards: the first that fits names the part. */
const INNER_RULES: readonly Rule[] = [
  ['idle', /^\(idle\)/],
  ['garbage collection', /^\(garbage collector\)/],
  ['verify', /^(verifyOneShot|verify) node:internal\/crypto|makeVerifier|verify-pool|verify-worker/],
  ['signatures made', /^(signOneShot|sign) node:internal\/crypto/],
  ['hashes and tree', /node:internal\/crypto\/hash|^sha256 |firmware-protocol\/dist\/log\/|core\/log\//],
  ['parse and encode', /firmware-protocol\/dist\//],
  ['store', /better-sqlite3|adapters\/store\/|core\/row-codec|readings-codec/],
  [
    'MQTT and sockets',
    /aedes|mqtt|mqemitter|readable-stream|node:net|stream_base|^(writev|writeBuffer|readStop|shutdown) $/,
  ],
  ['readings and intervals', /core\/(intervals|fold|needs)/],
  ['decide and commit', /ledger-service\/dist\/(core|usecases)/],
];

/** A stack that holds one of these is settling, whatever it is doing just then. */
const SETTLING = /^(settleDue|settleInterval|settleAndSeal|appendSeal|rowsOfDue|#prefetchDue|closeOverdueGaps) ledger/;

/** Adds up all profiles of a folder (one for each thread) between two instants of the monotonic clock, microseconds. */
export function readParts(folder: string, fromUs: number, untilUs: number): PartTimes {
  const times = Object.fromEntries(PARTS.map((part) => [part, 0])) as Record<Part, number>;
  const files = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'));
  if (files.length === 0) throw new Error(`${folder}: the service left no CPU profile`);
  for (const file of files) addProfile(times, JSON.parse(readFileSync(join(folder, file), 'utf8')), fromUs, untilUs);
  return times;
}

function addProfile(times: Record<Part, number>, profile: Profile, fromUs: number, untilUs: number): void {
  const partOf = partsByNode(profile);
  let atUs = profile.startTime;
  profile.samples.forEach((id, i) => {
    const deltaUs = profile.timeDeltas[i]!;
    atUs += deltaUs;
    const part = partOf.get(id);
    if (part === undefined || part === 'idle' || atUs < fromUs || atUs > untilUs) return;
    times[part] += deltaUs;
  });
}

function partsByNode({ nodes }: Profile): ReadonlyMap<number, Part | 'idle'> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const parts = new Map<number, Part | 'idle'>();
  for (const { id } of nodes) {
    const stack: string[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) stack.push(nameOf(byId.get(at)!));
    parts.set(id, partOfStack(stack));
  }
  return parts;
}

/** `stack`: "function url", the innermost first. */
export function partOfStack(stack: readonly string[]): Part | 'idle' {
  if (stack.some((name) => SETTLING.test(name))) return 'settle';
  for (const name of stack) {
    const rule = INNER_RULES.find(([, pattern]) => pattern.test(name));
    if (rule !== undefined) return rule[0];
  }
  return 'rest';
}

function nameOf({ callFrame: { functionName, url } }: ProfileNode): string {
  return `${functionName} ${url.replace(/^file:\/\/.*\/(?=(ledger-service|firmware-protocol|node_modules)\/)/, '')}`;
}
