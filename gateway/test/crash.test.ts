import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSealed, toHex } from '@commonwatt/firmware-protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const DIST = new URL('../dist/', import.meta.url).href;

/** A process that seals one sample after the other and prints the hash of each frame, until its signer kills it. */
const SEALING = `
  const { openSqliteOutbox } = await import(DIST + 'adapters/sqlite-outbox.js');
  const { openKey } = await import(DIST + 'adapters/system/key-file.js');
  const { nodeHasher } = await import(DIST + 'adapters/system/node-crypto.js');
  const { Journal } = await import(DIST + 'core/journal.js');
  const { Sealer } = await import(DIST + 'core/sealer.js');
  const [folder, mode, count] = process.argv.slice(1);
  const { signer } = openKey(folder);
  let left = Number(count);
  const deadly = {
    publicKey: signer.publicKey,
    sign(message) {
      if (left-- === 0 && mode === 'before') process.kill(process.pid, 'SIGKILL');
      const signature = signer.sign(message);
      if (left === -1 && mode === 'after') process.kill(process.pid, 'SIGKILL');
      return signature;
    },
  };
  const kid = nodeHasher.sha256(signer.publicKey).slice(0, 8);
  const fresh = { kid, origin: 'test.example/street', gateway: 'g', boot: 0, epoch: 1, next: 1,
    opening: new Uint8Array(32), lostReadings: 0, lostTold: 0, refused: 0, meters: new Map() };
  const journal = new Journal({ outbox: openSqliteOutbox(folder + '/outbox.db'), signer: deadly, hasher: nodeHasher, kid, origin: fresh.origin }, fresh);
  journal.commit({ state: { boot: journal.state.boot + 1 } });
  const sealer = new Sealer(journal, () => ({ boot: journal.state.boot, uptimeMs: 5 }));
  const show = ({ number, hash, message }) => console.log(number, Buffer.from(hash).toString('hex'), Buffer.from(message).toString('hex'));
  for (const message of journal.more(0, 1000)) show(message);
  for (let i = 0; i < 50; i++) {
    const channels = [{ meterIndex: 0, quantity: 1, status: 0, value: BigInt(journal.state.next) }];
    const sample = { atS: 1000 + journal.state.next, clock: { source: 2, errorMs: 1, ageS: 0 }, channels, breakBefore: false, attempt: 0 };
    for (const message of sealer.seal([sample])) show(message);
  }
`;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cw-crash-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function run(
  mode: string,
  count: number,
): { signal: string | null; frames: { number: number; hash: string; message: string }[] } {
  const script = `const DIST = ${JSON.stringify(DIST)};${SEALING}`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script, folder, mode, String(count)], {
    encoding: 'utf8',
  });
  if (child.status !== 0 && child.signal === null) throw new Error(child.stderr);
  const frames = child.stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [number, hash, message] = line.split(' ');
      return { number: Number(number), hash: hash!, message: message! };
    });
  return { signal: child.signal, frames };
}

describe('a process killed at the signature', () => {
  it.each(['before', 'after'])('%s it is made has the payload on the disk, and signs the same bytes again', (mode) => {
    const first = run(mode, 4);
    expect(first.signal).toBe('SIGKILL');
    expect(first.frames.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
    const second = run(mode, 3);
    expect(second.signal).toBe('SIGKILL');
    const third = run('never', 0);
    const bytesOf = new Map<number, string>();
    for (const { number, message } of [...first.frames, ...second.frames, ...third.frames]) {
      expect(bytesOf.get(number) ?? message).toBe(message);
      bytesOf.set(number, message);
    }
    // The number whose signature never came out of the first process is there, and the chain goes on behind it.
    const numbers = [...bytesOf.keys()].sort((a, b) => a - b);
    expect(numbers).toEqual(numbers.map((_, at) => at + 1));
    expect(numbers.length).toBeGreaterThan(50);
    for (const message of bytesOf.values())
      expect(toHex(parseSealed(Buffer.from(message, 'hex')).kid)).toHaveLength(16);
  });
});
