import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, SimError } from '../errors.js';
import { Fields } from '../fields.js';
import type { Counter } from './counter.js';
import { MW_MS_PER_MWH, STEP_MS } from './flow.js';
import { COUNTER_NAMES, type CounterName, type Counters, type HomeState, MAX_SNAPSHOTS } from './home.js';
import { MAX_HOMES } from './scenario.js';

/** A home's states at several recent moments, oldest first: whoever resumes at an earlier moment finds one. */
export type SavedStreet = ReadonlyMap<string, readonly HomeState[]>;

const MAX_TIME_MS = 253_402_300_799_999;
const MAX_STORED_MW_MS = Number.MAX_SAFE_INTEGER;

/** Undefined if there is no such file yet. Throws `bad-state` if there is one and it is not a state. */
export async function readStateFile(path: string): Promise<SavedStreet | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new SimError('bad-state', `${path}: ${messageOf(error)}`, { cause: error });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SimError('bad-state', `${path}: not JSON: ${messageOf(error)}`, { cause: error });
  }
  return parseState(value, path);
}

/** Whole or not at all: a new file takes the old one's place. Throws `cannot-write`. */
export async function writeStateFile(path: string, saved: SavedStreet): Promise<void> {
  const draft = `${path}.new`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(toJson(saved)));
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    throw new SimError('cannot-write', `${path}: ${messageOf(error)}`, { cause: error });
  }
}

function toJson(saved: SavedStreet): object {
  const homes = [...saved].map(([id, states]) => ({
    id,
    states: states.map(({ timeMs, counters, storedMwMs }) => ({
      t_ms: timeMs,
      stored_mw_ms: storedMwMs,
      counters: Object.fromEntries(
        COUNTER_NAMES.map((name) => [name, [counters[name].energyMwh, counters[name].restMwMs]]),
      ),
    })),
  }));
  return { version: 1, homes };
}

/** Untrusted: a file may have been edited, cut or written by another version. */
function parseState(value: unknown, where: string): SavedStreet {
  const fields = new Fields(value, where, 'bad-state', ['version', 'homes']);
  fields.integer('version', { min: 1, max: 1 });
  const homes = fields.list('homes', { min: 0, max: MAX_HOMES }).map((one, index) => {
    const home = new Fields(one, `${where}: homes[${index}]`, 'bad-state', ['id', 'states']);
    const states = home.list('states', { min: 1, max: MAX_SNAPSHOTS });
    return [home.text('id', 64), states.map((state) => parseHomeState(state, `${where}: homes[${index}]`))] as const;
  });
  return new Map(homes);
}

function parseHomeState(value: unknown, where: string): HomeState {
  const fields = new Fields(value, where, 'bad-state', ['t_ms', 'stored_mw_ms', 'counters']);
  const timeMs = fields.integer('t_ms', { min: 0, max: MAX_TIME_MS });
  if (timeMs % STEP_MS !== 0) throw new SimError('bad-state', `${where}: t_ms: expected a step's edge, got ${timeMs}`);
  const counters = new Fields(fields.raw('counters'), `${where}: counters`, 'bad-state', COUNTER_NAMES);
  return {
    timeMs,
    storedMwMs: fields.integer('stored_mw_ms', { min: 0, max: MAX_STORED_MW_MS }),
    counters: Object.fromEntries(COUNTER_NAMES.map((name) => [name, parseCounter(counters, name, where)])) as Counters,
  };
}

function parseCounter(fields: Fields, name: CounterName, where: string): Counter {
  const [energy, rest] = fields.list(name, { min: 2, max: 2 });
  const pair = new Fields({ energy, rest }, `${where}: counters: ${name}`, 'bad-state', ['energy', 'rest']);
  return {
    energyMwh: pair.integer('energy', { min: 0, max: Number.MAX_SAFE_INTEGER }),
    restMwMs: pair.integer('rest', { min: 0, max: MW_MS_PER_MWH - 1 }),
  };
}
