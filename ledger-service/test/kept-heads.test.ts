/** A database that is an older copy, or lacks its newest commits, is not served: boxes hold receipts for what is missing. */
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkpointTopic } from '@commonwatt/firmware-protocol';
import mqtt from 'mqtt';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { RealClock } from '../src/adapters/system/clock.js';
import { DataFolder } from '../src/cli/data-folder.js';
import { initCommunity } from '../src/cli/init.js';
import { type BrokerChoice, LedgerService } from '../src/cli/service.js';
import { plainLog } from '../src/cli/service-log.js';
import { encodePartyFields, sealEntry } from '../src/core/records/index.js';
import { noMosquitto, startMosquitto } from './support/mosquitto.js';
import { until } from './support/pump-fakes.js';
import { planOf } from './support/running-service.js';

const COMMUNITY = 'sunny';
const EMBEDDED: BrokerChoice = { kind: 'embedded', port: 0, bind: '127.0.0.1' };

let folder: DataFolder;
let troubles: string[];

beforeEach(async () => {
  folder = new DataFolder(mkdtempSync(join(tmpdir(), 'commonwatt-heads-')));
  troubles = [];
  const clock = new RealClock();
  await initCommunity(folder, planOf(clock.nowMs()), clock);
});

afterEach(() => rmSync(folder.path, { recursive: true, force: true }));

function start(broker = EMBEDDED, on = folder): Promise<LedgerService> {
  return LedgerService.start({
    folder: on,
    clock: new RealClock(),
    broker,
    rest: { port: 0, bind: '127.0.0.1' },
    patient: true,
    log: plainLog((line) => troubles.push(line)),
  });
}

/** Serves, takes members in, and stops in order. Gives the size that the log has then. */
async function serve(members: readonly string[], broker = EMBEDDED): Promise<number> {
  const service = await start(broker);
  try {
    return await takeIn(service, members);
  } finally {
    await service.stop();
  }
}

async function takeIn({ open }: LedgerService, members: readonly string[]): Promise<number> {
  const { hasher } = open.crypto;
  const operator = folder.readKey(COMMUNITY, 'operator');
  const ledger = await open.ledger.community(COMMUNITY);
  for (const member of members) {
    const number = await ledger.nextNumber(Buffer.from(operator.publicKey).toString('hex'));
    const payload = encodePartyFields({ number, member, memberClass: 1 });
    const cose = sealEntry({ payload, origin: `ledger.example/${COMMUNITY}`, signer: operator, hasher });
    await ledger.submit([{ kind: 1, cose }]);
  }
  return open.store.size(COMMUNITY);
}

const copyOf = (name: string): string => join(folder.path, name);
const keepCopy = (name: string): void => copyFileSync(folder.ledgerFile, copyOf(name));
const putBack = (name: string): void => copyFileSync(copyOf(name), folder.ledgerFile);

describe('a ledger that is started', () => {
  it('goes on with the database that it had, and with one that grew without it', async () => {
    const size = await serve(['a']);
    expect(await serve([])).toBe(size);
    rmSync(folder.headFile(COMMUNITY));
    expect(await serve(['b'])).toBe(size + 1);
  });

  it('is not served from an older copy, and says what to do', async () => {
    keepCopy('old.db');
    const size = await serve(['a', 'b']);
    putBack('old.db');
    const refused = await start().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'store' });
    expect(String(refused)).toContain(`has ${size - 2} entries, but a log of ${size} was signed`);
    expect(String(refused)).toContain('put the newer ledger.db and ledger.db-wal back');
    rmSync(folder.headFile(COMMUNITY));
    expect(await serve([])).toBe(size - 2);
  });

  it('is not served when its write-ahead log was cut in the middle', async () => {
    const service = await start();
    onTestFinished(() => service.stop());
    const members = Array.from({ length: 20 }, (_, i) => `m-${i}`);
    const size = await takeIn(service, members);
    const signed = () =>
      existsSync(folder.headFile(COMMUNITY)) ? readFileSync(folder.headFile(COMMUNITY), 'utf8') : '';
    await until('the head is kept', () => signed().split('\n')[1] === `${size}`);
    const image = new DataFolder(mkdtempSync(join(tmpdir(), 'commonwatt-heads-image-')));
    onTestFinished(() => rmSync(image.path, { recursive: true, force: true }));
    cpSync(folder.path, image.path, { recursive: true });
    const wal = `${image.ledgerFile}-wal`;
    truncateSync(wal, Math.floor(statSync(wal).size / 2));
    await expect(start(EMBEDDED, image)).rejects.toMatchObject({
      code: 'store',
      message: expect.stringContaining(`but a log of ${size} was signed`),
    });
  });

  it('is not served when the whole community is gone', async () => {
    await serve([]);
    for (const end of ['', '-wal', '-shm']) rmSync(`${folder.ledgerFile}${end}`, { force: true });
    await expect(start()).rejects.toMatchObject({ code: 'store', message: expect.stringContaining('has 0 entries') });
  });

  it('is not served when an older copy was served meanwhile, and has become another log', async () => {
    keepCopy('old.db');
    await serve(['a']);
    copyFileSync(folder.headFile(COMMUNITY), copyOf('first.note'));
    putBack('old.db');
    rmSync(folder.headFile(COMMUNITY));
    await serve(['b', 'c']);
    copyFileSync(copyOf('first.note'), folder.headFile(COMMUNITY));
    await expect(start()).rejects.toThrow(/is not of this log: an older copy was served meanwhile/);
  });

  it('takes a file that a crash has left half written for none', async () => {
    const size = await serve(['a']);
    for (const text of ['', 'ledger.example/sunny\n99\n']) {
      writeFileSync(folder.headFile(COMMUNITY), text);
      expect(await serve([])).toBe(size);
    }
  });
});

describe.skipIf(noMosquitto !== '')(`a ledger at a broker outside ${noMosquitto}`, () => {
  async function outside(): Promise<BrokerChoice> {
    const mosquitto = await startMosquitto();
    onTestFinished(() => mosquitto.stop());
    return { kind: 'external', url: mosquitto.url, clientId: 'ledger', clean: true };
  }

  it('is not served from an older copy than what the broker keeps', async () => {
    const broker = await outside();
    keepCopy('old.db');
    await serve(['a'], broker);
    putBack('old.db');
    rmSync(folder.headFile(COMMUNITY));
    await expect(start(broker)).rejects.toMatchObject({
      code: 'store',
      message: expect.stringContaining('the broker, on cw/1/sunny/checkpoint'),
    });
  });

  it('is not kept from its work by what others say there, nor by a broker that is away', async () => {
    const broker = await outside();
    const size = await serve(['a'], broker);
    const liar = await mqtt.connectAsync((broker as { url: string }).url, { protocolVersion: 4 });
    const lie = `ledger.example/sunny\n${size + 9}\n${Buffer.alloc(32).toString('base64')}\n\n— x AAAA\n`;
    await liar.publishAsync(checkpointTopic(COMMUNITY), lie, { qos: 1, retain: true });
    await liar.endAsync();
    expect(await serve([], broker)).toBe(size);
    expect(await serve([], { kind: 'external', url: 'mqtt://127.0.0.1:1', clientId: 'ledger', clean: true })).toBe(
      size,
    );
    expect(troubles.join()).toContain('could not be looked at');
  });
});
