/** What SQLite can do at most with a row for each member and interval: the limit that a settlement is held against. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { cpuSeconds, secondsOf } from './stop-watch.js';

const ROWS_A_TRANSACTION = 1_000;

export interface BareInserts {
  readonly rows: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly rowsPerS: number;
}

/** One prepared insert, rows in the order of time, WAL, synchronous FULL. `members` rows for each of `intervals`. */
export function measureBareInserts(folder: string, members: number, intervals: number): BareInserts {
  const db = new Database(join(folder, 'bare.db'));
  try {
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.exec('DROP TABLE IF EXISTS line');
    db.exec(`CREATE TABLE line (
      member TEXT, start INTEGER,
      need INTEGER, offer INTEGER, received INTEGER, delivered INTEGER, amount INTEGER, quality INTEGER,
      PRIMARY KEY (member, start)) WITHOUT ROWID`);
    const rows = members * intervals;
    const cpuBefore = cpuSeconds();
    const seconds = secondsOf(() => insertAll(db, members, intervals));
    return { rows, seconds, cpuSeconds: cpuSeconds() - cpuBefore, rowsPerS: rows / seconds };
  } finally {
    db.close();
  }
}

function insertAll(db: Database.Database, members: number, intervals: number): void {
  const names = Array.from({ length: members }, (_, i) => `m-h${i}`);
  const insert = db.prepare('INSERT INTO line VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
  let inTransaction = 0;
  db.exec('BEGIN');
  for (let interval = 0; interval < intervals; interval++) {
    const startS = 1_717_200_000 + interval * 900;
    for (let member = 0; member < members; member++) {
      const energyMwh = ((member * 7_919 + interval * 104_729) % 900_000) + 1;
      insert.run(names[member]!, startS, energyMwh, 0, energyMwh >> 1, 0, -energyMwh, 0);
      inTransaction += 1;
      if (inTransaction < ROWS_A_TRANSACTION) continue;
      db.exec('COMMIT; BEGIN');
      inTransaction = 0;
    }
  }
  db.exec('COMMIT');
}
