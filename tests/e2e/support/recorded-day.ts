import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { isoSeconds } from './co-op.js';

const REAL_FILE = fileURLToPath(
  new URL('../../../../shared/data/vub-testhouses_15min_2024-01-01_2024-03-31.registers.csv.gz', import.meta.url),
);
const HEADER = 'utc_timestamp,household,register,value,unit';

export interface RecordedDay {
  readonly title: string;
  readonly homes: number;
  readonly readings: number;
  readonly fromS: number;
  readonly toS: number;
}

export const INTERVAL_S = 900;
/** On this day a logger was away for eight hours, and one house has a jump over it. */
const REAL_DAY = '2024-01-15';
const EDGES_A_DAY = 97;

/** Writes one day of measured registers, midnight to midnight; without them, one that is made up. */
export function writeDay(file: string, random: () => number): RecordedDay {
  const rows = existsSync(REAL_FILE) ? cutRealDay() : makeUpDay(random);
  writeFileSync(file, `${[HEADER, ...rows].join('\n')}\n`);
  const fromS = Date.parse(`${REAL_DAY}T00:00:00Z`) / 1_000;
  const homes = new Set(rows.map((row) => row.split(',')[1])).size;
  const title = existsSync(REAL_FILE) ? 'measured' : 'made up: ../shared/data is not here';
  return { title, homes, readings: rows.length, fromS, toS: fromS + (EDGES_A_DAY - 1) * INTERVAL_S };
}

function cutRealDay(): string[] {
  const lines = gunzipSync(readFileSync(REAL_FILE)).toString('utf8').split('\n');
  const end = `${new Date(Date.parse(REAL_DAY) + 86_400_000).toISOString().slice(0, 10)}T00:00:00Z`;
  return lines.filter((line) => line.startsWith(REAL_DAY) || line.startsWith(end));
}

/** Four homes, two with sun; one is not heard of for two hours, one has no export counter at all. */
function makeUpDay(random: () => number): string[] {
  const rows: string[] = [];
  const startS = Date.parse(`${REAL_DAY}T00:00:00Z`) / 1_000;
  for (const [at, home] of ['east', 'west', 'shop', 'attic'].entries()) {
    let imported = 1_000_000 * at;
    let exported = 0;
    for (let edge = 0; edge < EDGES_A_DAY; edge++) {
      imported += Math.floor(random() * 200_000);
      if (at < 2 && edge > 32 && edge < 68) exported += Math.floor(random() * 400_000);
      if (home === 'west' && edge >= 40 && edge < 48) continue;
      const time = isoSeconds(startS + edge * INTERVAL_S);
      rows.push(`${time},${home},import,${kwh(imported)},kWh`);
      if (home !== 'attic') rows.push(`${time},${home},export,${kwh(exported)},kWh`);
    }
  }
  return rows;
}

function kwh(mwh: number): string {
  return (mwh / 1_000_000).toFixed(6);
}
