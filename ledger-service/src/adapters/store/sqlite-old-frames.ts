/**
 * Up to schema 2 `frame` had a row for each number, `kid/epoch/number`, with its entry's index and a hash in JSON. Now a
 * row holds ten numbers (core/frame-chunks.ts).
 */
import type { Database } from 'better-sqlite3';
import { withIndex } from '../../core/frame-chunks.js';
import { frameKey } from '../../core/rows.js';

/** `createFrameTable`: the statement that makes the table as it is now. Inside the caller's transaction. */
export function gatherFrames(db: Database, createFrameTable: string): void {
  db.exec('ALTER TABLE "frame" RENAME TO frame_before');
  db.exec(createFrameTable);
  const put = db.prepare<[string, string, Uint8Array]>('INSERT INTO "frame" VALUES (?, ?, ?)');
  let chunk: { community: string; key: string; value: Uint8Array } | undefined;
  const keep = (): void => {
    if (chunk !== undefined) put.run(chunk.community, chunk.key, chunk.value);
  };
  for (const { community, key, value } of oldFrames(db)) {
    const [kid = '', epoch, number] = key.split('/');
    const newKey = frameKey(kid, Number(epoch), Number(number));
    if (chunk?.community !== community || chunk.key !== newKey) {
      keep();
      chunk = undefined;
    }
    const { index } = JSON.parse(value) as { index: number };
    chunk = { community, key: newKey, value: withIndex(chunk?.value, Number(number), index) };
  }
  keep();
  db.exec('DROP TABLE frame_before');
}

interface OldFrame {
  readonly community: string;
  readonly key: string;
  readonly value: string;
}

const OLD_FRAMES_A_READ = 10_000;

/** In the order of the keys, in pages: while a statement is being walked, nothing can be written. */
function* oldFrames(db: Database): Generator<OldFrame> {
  const read = db.prepare<[string, string, number], OldFrame>(
    'SELECT community, key, value FROM frame_before WHERE (community, key) > (?, ?) ORDER BY community, key LIMIT ?',
  );
  for (let last = { community: '', key: '' }; ; ) {
    const page = read.all(last.community, last.key, OLD_FRAMES_A_READ);
    yield* page;
    const end = page.at(-1);
    if (end === undefined) return;
    last = end;
  }
}
