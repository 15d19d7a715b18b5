/** The ledger's failures, over REST on a real socket and from the command `commonwatt`. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { nobleSigner } from '@commonwatt/firmware-protocol';
import { afterAll, beforeAll, describe, onTestFinished } from 'vitest';
import { encodePartyFields } from '../../ledger-service/src/core/records/index.js';
import { listen } from './support/boxes.js';
import { type Finished, isBuilt, NOT_BUILT, run, start, temporaryFolder } from './support/processes.js';
import { producesCode } from './support/produces.js';
import { initCommunity, type RestAnswer, ServedLedger } from './support/served-ledger.js';

const PARTY = 1;
/** The largest price that rules may name, in micro-credits per kWh. */
const LARGEST_PRICE = '1000000000000';
const HEADER = 'utc_timestamp,household,register,value,unit';

/** The code of a problem, which must come as one. */
function codeOf({ status, body }: RestAnswer): unknown {
  if (status < 400 || body.status !== status) throw new Error(`expected a problem, got ${JSON.stringify(body)}`);
  return body.code;
}

/** The code that a command says with `--json`; its exit status must not be 0. */
async function codeOfCommand(finished: Promise<Finished>): Promise<string> {
  const { status, stdout, stderr } = await finished;
  if (status === 0 || stdout === '') throw new Error(`expected a failure as JSON, got ${status}: ${stdout} ${stderr}`);
  return (JSON.parse(stdout) as { error: { code: string } }).error.code;
}

/** A recorded register file. */
function recordedFile(...rows: readonly string[]): string {
  const file = join(temporaryFolder(), 'readings.csv');
  writeFileSync(file, [HEADER, ...rows, ''].join('\n'));
  return file;
}

/** What one home imports and another exports in one quarter of an hour, both counting from zero. */
function readingsOf(energyKwh: string): string {
  const rows = ['00:00', '00:15'].flatMap((time, at) => {
    const value = at === 0 ? '0' : energyKwh;
    return [`2024-05-01T${time}:00Z,a,import,${value},kWh`, `2024-05-01T${time}:00Z,b,export,${value},kWh`];
  });
  return recordedFile(...rows);
}

function replay(file: string, ...more: readonly string[]): Promise<string> {
  return codeOfCommand(run('commonwatt', ['replay', file, '--interval', '15m', '--json', ...more]));
}

describe.skipIf(!isBuilt)(`REST${NOT_BUILT}`, () => {
  let ledger: ServedLedger;
  beforeAll(async () => {
    ledger = await ServedLedger.start();
  });
  afterAll(() => ledger.stop());

  const party = (number: number, member: string) => encodePartyFields({ number, member, memberClass: 1 });

  producesCode('ledger-service', 'bad-entry', async () => codeOf(await ledger.submit(PARTY, Uint8Array.of(1, 2, 3))));
  producesCode('ledger-service', 'bad-number', async () =>
    codeOf(await ledger.submit(PARTY, ledger.seal(party(1, 'm')))),
  );
  producesCode('ledger-service', 'bad-signer', async () => {
    const stranger = nobleSigner(new Uint8Array(32).fill(9));
    return codeOf(await ledger.submit(PARTY, ledger.seal(party(await ledger.nextNumber(), 'm'), stranger)));
  });
  producesCode('ledger-service', 'conflict', async () => {
    const { signer } = await ledger.enrol();
    return codeOfCommand(ledger.runEnrol('another-home', signer.publicKey));
  });
  producesCode('ledger-service', 'not-found', async () => codeOf(await ledger.get('/v1/communities/suny')));
  producesCode('ledger-service', 'bad-request', async () => codeOf(await ledger.get('/v1/communities?limt=1')));
  producesCode('ledger-service', 'unauthorised', async () => {
    const cose = ledger.seal(party(await ledger.nextNumber(), 'm'));
    return codeOf(await ledger.post({ kind: PARTY, cose }, {}));
  });
});

describe.skipIf(!isBuilt)(`commonwatt${NOT_BUILT}`, () => {
  producesCode('ledger-service', 'config', () =>
    codeOfCommand(run('commonwatt', ['serve', '--prot', '8080', '--json'])),
  );
  producesCode('ledger-service', 'store', async () => {
    const folder = temporaryFolder();
    await initCommunity(folder);
    const serve = start('commonwatt', ['serve', '--data', folder, '--port', '0', '--mqtt-port', '0', '--json']);
    await serve.object();
    // Without this file a second process does not know that it could ask the first, and meets the lock.
    rmSync(join(folder, 'serve.json'));
    return codeOfCommand(run('commonwatt', ['balances', '--data', folder, '--json']));
  });
  producesCode('ledger-service', 'invariant', async () => {
    const folder = temporaryFolder();
    await initCommunity(folder);
    changeText(join(folder, 'ledger.db'), 'In each interval', 'in each interval');
    return codeOfCommand(run('commonwatt', ['rebuild', '--data', folder, '--json']));
  });
  producesCode('ledger-service', 'broker', async () => {
    const folder = temporaryFolder();
    await initCommunity(folder);
    const other = createServer();
    onTestFinished(() => void other.close());
    const port = `${await listen(other)}`;
    return codeOfCommand(run('commonwatt', ['serve', '--data', folder, '--port', '0', '--mqtt-port', port, '--json']));
  });
});

describe.skipIf(!isBuilt)(`commonwatt replay${NOT_BUILT}`, () => {
  producesCode('ledger-service', 'bad-file', () => replay(recordedFile('2024-05-01T00:00:00Z,a,import,0,Wh')));
  producesCode('ledger-service', 'money-range', () => replay(readingsOf('1000000000'), '--price', LARGEST_PRICE));
  producesCode('ledger-service', 'child', () => {
    const data = join(temporaryFolder(), 'replay');
    mkdirSync(join(data, 'gateway', 'a'), { recursive: true });
    writeFileSync(join(data, 'gateway', 'a', 'device.key'), 'no key');
    return replay(readingsOf('1'), '--data', data);
  });
});

/** Damages a database that nobody has open: a letter of a text that stands in it. */
function changeText(file: string, from: string, to: string): void {
  const bytes = readFileSync(file);
  let at = bytes.indexOf(from);
  if (at < 0) throw new Error(`${file} does not hold ${from}`);
  for (; at >= 0; at = bytes.indexOf(from, at)) bytes.write(to, at);
  writeFileSync(file, bytes);
}
