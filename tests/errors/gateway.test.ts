/** The box's failures, as a person at `commonwatt-gateway` or the parent of `--lines` meets them. */
import { join } from 'node:path';
import { fromHex } from '@commonwatt/firmware-protocol';
import { describe, onTestFinished } from 'vitest';
import { boxConfig, closedPort, folderWith, type MeterPlace, meterThat } from './support/boxes.js';
import { isBuilt, NOT_BUILT, type Running, run, start, temporaryFolder } from './support/processes.js';
import { producesCode } from './support/produces.js';
import { ServedLedger } from './support/served-ledger.js';

const NOON_MS = 1_760_011_200_000;
const MAX_STATUS_TRIES = 40;
const MAX_CONDITION_TRIES = 200;
/** The least that a configuration may allow, in readings. */
const SMALLEST_OUTBOX = 16;
const INTERVALS_A_SECOND = 20;

/** The code in front of the sentence on standard error of a command that failed. */
async function codeOfCommand(...args: readonly string[]): Promise<string | undefined> {
  const { status, stderr } = await run('commonwatt-gateway', args);
  if (status === 0) throw new Error(`expected a failure, got status 0: ${stderr}`);
  return /^commonwatt-gateway: ([a-z-]+): /m.exec(stderr)?.[1];
}

function lines(): Running {
  return start('commonwatt-gateway', ['--lines']);
}

async function startBox(box: Running, data: string, config: object = boxConfig()): Promise<unknown> {
  const { done, failed } = await box.ask({ do: 'start', config, data });
  return done === 'start' ? 'started' : failed;
}

async function stopBox(box: Running): Promise<void> {
  await box.ask({ do: 'stop' });
  await box.finished();
}

/** Starts a box and stops it in order: its key and its outbox stay in the folder. */
async function usedFolder(): Promise<string> {
  const data = join(temporaryFolder(), 'box');
  const box = lines();
  await startBox(box, data);
  await stopBox(box);
  return data;
}

/** Polls a meter once, as at an edge, and reads from the status why it gave nothing. */
async function codeOfMeter(meter: MeterPlace): Promise<string | undefined> {
  const data = join(temporaryFolder(), 'box');
  const box = lines();
  await startBox(box, data, boxConfig(meter));
  // The answer comes only when every frame has its receipt; without a reading there is none, so it comes at once.
  await box.ask({ do: 'now', t_ms: NOON_MS });
  for (let tries = 0; tries < MAX_STATUS_TRIES; tries++) {
    const { stdout } = await run('commonwatt-gateway', ['status', '--data', data, '--json']);
    const { meters } = JSON.parse(stdout) as { meters: { reason?: string }[] };
    const code = /^(meter-[a-z]+): /.exec(meters[0]?.reason ?? '')?.[1];
    if (code !== undefined) return code;
  }
  return undefined;
}

/** Asks until the box says that this keeps it from its work; gives what it said last. */
async function conditionWithin(tries: number, box: Running, wanted: string): Promise<unknown> {
  let condition: unknown;
  for (let asked = 0; asked < tries && condition !== wanted; asked++) {
    const { gateways } = await box.ask({ do: 'stats' });
    condition = (gateways as { condition: unknown }[])[0]?.condition;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return condition;
}

/** The body of an answer: so many registers that show nothing yet. */
function zeros(registers: number): number[] {
  return [2 * registers, ...new Array<number>(2 * registers).fill(0)];
}

/** Modbus: the head of a request, with another length, function and body. */
function answerTo(request: Buffer, functionCode: number, body: readonly number[]): Buffer {
  const head = Buffer.from(request.subarray(0, 8));
  head.writeUInt16BE(body.length + 2, 4);
  head.writeUInt8(functionCode, 7);
  return Buffer.concat([head, Buffer.from(body)]);
}

describe.skipIf(!isBuilt)(`commonwatt-gateway${NOT_BUILT}`, () => {
  producesCode('gateway', 'bad-option', () => codeOfCommand('run', '--confg', 'box.json'));
  producesCode('gateway', 'bad-config', () => {
    const folder = folderWith('box.json', JSON.stringify({ ...boxConfig(), interval: 900 }));
    return codeOfCommand('run', '--config', join(folder, 'box.json'), '--data', folder);
  });
  producesCode('gateway', 'bad-key-file', () => codeOfCommand('key', '--data', folderWith('device.key', 'no key')));
  producesCode('gateway', 'no-status', () => codeOfCommand('status', '--data', temporaryFolder()));
});

describe.skipIf(!isBuilt)(`commonwatt-gateway --lines${NOT_BUILT}`, () => {
  producesCode('gateway', 'bad-line', async () => {
    const box = lines();
    box.write('not json\n');
    return (await box.object()).failed;
  });
  producesCode('gateway', 'unknown-command', async () => (await lines().ask({ do: 'strat' })).failed);
  producesCode('gateway', 'stopped', async () => {
    const box = lines();
    const start = { id: 2, do: 'start', config: boxConfig(), data: join(temporaryFolder(), 'box') };
    box.write(`{"id":1,"do":"stop"}\n${JSON.stringify(start)}\n`);
    const answers = [await box.object(), await box.object()];
    return answers.find(({ id }) => id === 2)?.failed;
  });
});

describe.skipIf(!isBuilt)(`the outbox${NOT_BUILT}`, () => {
  producesCode('gateway', 'outbox-in-use', async () => {
    const data = join(temporaryFolder(), 'box');
    await startBox(lines(), data);
    return startBox(lines(), data);
  });
  producesCode('gateway', 'outbox-damaged', () =>
    startBox(lines(), folderWith('outbox.db', 'this is no database, and long enough to be looked at. '.repeat(40))),
  );
  producesCode('gateway', 'outbox-foreign', async () =>
    startBox(lines(), await usedFolder(), { ...boxConfig(), gateway: 'h2' }),
  );
  producesCode('gateway', 'outbox-full', async () => {
    const box = lines();
    const meter = await meterThat((request) => answerTo(request, request[7] ?? 0, zeros(request.readUInt16BE(10))));
    await startBox(box, join(temporaryFolder(), 'box'), boxConfig(meter, { outbox_limit: SMALLEST_OUTBOX }));
    const startNs = process.hrtime.bigint().toString();
    await box.ask({ do: 'clock', base_ms: NOON_MS, start_ns: startNs, speed: INTERVALS_A_SECOND * 900 });
    return conditionWithin(MAX_CONDITION_TRIES, box, 'outbox-full');
  });
});

describe.skipIf(!isBuilt)(`the ledger's answers${NOT_BUILT}`, () => {
  producesCode('gateway', 'bad-answer', async () => {
    const ledger = await ServedLedger.start();
    onTestFinished(() => ledger.stop());
    const data = join(temporaryFolder(), 'box');
    const box = lines();
    const { public_key } = await box.ask({ do: 'key', gateway: 'h1', data });
    const config = await ledger.enrolKey('h1', { publicKey: fromHex(String(public_key)) });
    const meter = await meterThat((request) => answerTo(request, request[7] ?? 0, zeros(request.readUInt16BE(10))));
    // It was given another log's key, so that no receipt of this one proves anything to it.
    const meters = [{ ...(config.meters as object[])[0], ...meter }];
    await startBox(box, data, { ...config, meters, log_key: config.answer_key });
    box.write(`{"id":0,"do":"now","t_ms":${NOON_MS}}\n`);
    return box.says(/^h1: ([a-z-]+): an answer of the ledger cannot be used/m);
  });
});

describe.skipIf(!isBuilt)(`a meter${NOT_BUILT}`, () => {
  producesCode('gateway', 'meter-unreachable', async () =>
    codeOfMeter({ host: '127.0.0.1', port: await closedPort() }),
  );
  producesCode('gateway', 'meter-timeout', async () => codeOfMeter(await meterThat(() => undefined)));
  producesCode('gateway', 'meter-exception', async () =>
    codeOfMeter(await meterThat((request) => answerTo(request, 0x80 | (request[7] ?? 0), [2]))),
  );
  producesCode('gateway', 'meter-garbled', async () =>
    codeOfMeter(await meterThat((request) => answerTo(request, request[7] ?? 0, [2, 0, 1]))),
  );
});
