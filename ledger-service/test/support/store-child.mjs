// A process that holds a store: node store-child.mjs FILE hold|commit|exit|throw
// `commit` commits without end and says "applied SIZE" after each; the others make two commits first.
import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { openSqliteStore } from '../../dist/adapters/store/sqlite-store.js';

const [file, mode] = process.argv.slice(2);
const LEAVES_PER_COMMIT = 8;

const say = (line) => writeSync(1, `${line}\n`);
const hashOf = (text) => createHash('sha256').update(text).digest();
const padded = (n) => n.toString().padStart(12, '0');

/** What store-kill.test.ts expects to find: everything is a function of the index or of the size. */
function batch(expectedSize) {
  const newSize = expectedSize + LEAVES_PER_COMMIT;
  const writes = [];
  for (let i = expectedSize; i < newSize; i++) {
    writes.push({ table: 'leaf', key: padded(i), value: hashOf(`leaf ${i}`) });
    writes.push({ table: 'opening', key: `${padded(i)}/${padded(0)}`, value: Buffer.alloc(300, i) });
    writes.push({ table: 'readings', key: `meter/${i % 40}`, value: Buffer.alloc(100 + (i % 2000), i) });
  }
  writes.push({ table: 'community', key: '', value: `${newSize}` });
  return { expectedSize, newSize, writes };
}

async function commitOnce(store) {
  const next = batch(await store.size('c'));
  const outcome = await store.commit('c', next);
  say(`${outcome} ${next.newSize}`);
}

try {
  const store = openSqliteStore({ file, lockWaitMs: 0 });
  say('open');
  await commitOnce(store);
  await commitOnce(store);
  if (mode === 'exit') process.exit(0);
  if (mode === 'throw') throw new Error('on purpose');
  while (mode === 'commit') await commitOnce(store);
  setInterval(() => {}, 1000); // holds the store until it is killed
} catch (error) {
  say(`failed ${error.code} ${error.message}`);
  process.exit(1);
}
