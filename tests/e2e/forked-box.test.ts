/** A stranger signs with a box's key: the sequence forks, the operator agrees to a new one, and no reading is lost over it. */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  encodeFramePayload,
  externalData,
  keyId,
  nobleSha256,
  type Signer,
  sealMessage,
} from '@commonwatt/firmware-protocol';
import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CoOp, type ServedLedger, type Settlement } from './support/co-op.js';
import { type JsonLine, type Program, run } from './support/program.js';
import { drawSeed } from './support/seed.js';
import { GatewayProcess, startStreet } from './support/street-processes.js';
import { TempFolder } from './support/temp-folder.js';
import { until } from './support/until.js';

const HOME = 'linden-7';
const INTERVAL_S = 300;
/** A box that is started anew misses an edge or two. */
const SETTINGS = ['--interval', '5m', '--max-span', '1h'];
const SPEED = 300;
/** Two days ago, at ten. */
const START_S = (Math.floor(Date.now() / 86_400_000) - 2) * 86_400 + 10 * 3_600;
const WITHIN_MS = 20_000;

const seed = drawSeed();

describe(`a box whose key a stranger has (seed ${seed})`, () => {
  const folder = new TempFolder('forked-box');
  let coOp: CoOp;
  let sim: Program;
  let box: GatewayProcess;
  let ledger: ServedLedger;
  /** While it was forked, on its own clock. */
  let forkedS: { from: number; to: number };

  beforeAll(async () => {
    coOp = await CoOp.begin(folder.at('ledger'), { firstIntervalS: START_S, settings: SETTINGS });
    ledger = await coOp.serve();
    const street = await startStreet(8, seed);
    sim = street.sim;
    const home = street.homes.find(({ id }) => id === HOME)!;
    box = await GatewayProcess.enrol({ coOp, home, folder, settings: ['--poll', '60'] });
    const clock = { base_ms: START_S * 1_000, start_ns: process.hrtime.bigint().toString(), speed: SPEED };
    await Promise.all([sim.ask('clock', clock), box.run(clock)]);
    await until('frames that were accepted', WITHIN_MS, async () => Number((await box.stats()).receipts) > 2);
  }, 60_000);

  afterAll(async () => {
    await box?.stop();
    await sim?.stop();
    await ledger?.program.stop();
    folder.remove();
  });

  it('is refused from then on, asks for a new epoch, and is not granted it on its word alone', async () => {
    const client = await mqtt.connectAsync(ledger.mqttUrl, { protocolVersion: 4 });
    await client.publishAsync(`cw/1/${coOp.community}/${HOME}/frame`, Buffer.from(strangersFrame()), { qos: 1 });
    await client.endAsync();
    const from = await simulatedS();
    await until('a request that waits', WITHIN_MS, async () => (await waiting()).length > 0);
    expect(await waiting()).toMatchObject([{ home: HOME, epoch: 1, reason: 'refused-frame' }]);
    await until('a box that says so', WITHIN_MS, async () => (await box.stats()).condition === 'forked');
    expect(await box.stats()).toMatchObject({ epoch: 1 });
    await until('intervals that pass meanwhile', WITHIN_MS, async () => (await simulatedS()) > from + 4 * INTERVAL_S);
    forkedS = { from, to: await simulatedS() };
  });

  it('goes on in the epoch that the operator signs', async () => {
    const approved = await run('commonwatt', ['approve', HOME, '--data', coOp.data, '--json']);
    expect(approved).toMatchObject({ home: HOME, epoch: 2 });
    expect(await waiting()).toEqual([]);
    // It would ask again by itself, a minute after the refusal; whoever is beside it starts it anew.
    await box.kill();
    await box.restart();
    await until('the new epoch', WITHIN_MS, async () => (await box.stats()).epoch === 2);
    await until('a frame of it', WITHIN_MS, async () => Number((await box.stats()).next) > 1);
  });

  it('has each of its readings booked, those of the time in between too, and none twice', async () => {
    const restS = (Math.floor((await simulatedS()) / INTERVAL_S) + 2) * INTERVAL_S;
    await sim.ask('now', { t_ms: restS * 1_000 });
    await box.step(restS * 1_000);
    await until('a box without a frame that waits', WITHIN_MS, async () => (await box.stats()).pending === 0);
    expect(await box.stats()).toMatchObject({ lost_readings: 0, condition: 'ready' });
    expect(await ledger.entryCounts()).toMatchObject({ evidence: 1, gateway_epoch: 1 });
    const firstS = START_S + INTERVAL_S;
    const settled = await until('all intervals', WITHIN_MS, async () => allOf(firstS, restS));
    expect(settled.length).toBeGreaterThan(6);
    const qualities = settled.map(({ start, lines }) => ({
      startS: Date.parse(start) / 1_000,
      quality: lines[0]?.quality,
    }));
    const meanwhile = qualities.filter(({ startS }) => startS >= forkedS.from && startS + INTERVAL_S <= forkedS.to);
    expect(meanwhile.length).toBeGreaterThan(1);
    for (const { quality } of meanwhile) expect(quality).toBe('measured');
    for (const { quality } of qualities) expect(['measured', 'interpolated']).toContain(quality);
    await ledger.program.stop();
    expect(await coOp.rebuild()).toMatchObject({ equal: true });
  }, 60_000);

  async function simulatedS(): Promise<number> {
    return Number((await sim.ask('stats')).t_ms) / 1_000;
  }

  async function waiting(): Promise<readonly JsonLine[]> {
    const { requests } = await run('commonwatt', ['approve', '--data', coOp.data, '--json']);
    return requests as readonly JsonLine[];
  }

  /** Undefined while one of them is not settled. */
  async function allOf(fromS: number, toS: number): Promise<readonly Settlement[] | undefined> {
    const found: Settlement[] = [];
    for (let startS = fromS; startS < toS; startS += INTERVAL_S) {
      const settlement = await ledger.settlement(startS);
      if (settlement === undefined) return undefined;
      found.push(settlement);
    }
    return found;
  }

  /** Another frame 1 than the box sealed. */
  function strangersFrame(): Uint8Array {
    const signer = signerOfFile(join(box.data, 'device.key'));
    const payload = encodeFramePayload({
      ...{ epoch: 1, number: 1, previous: new Uint8Array(32), startS: START_S, step: [] },
      clock: { source: 2, errorMs: 10, ageS: 1 },
      mono: { boot: 1, uptimeMs: 1_000 },
      channels: [{ meterIndex: 0, quantity: 1, status: 0, first: 5n, deltas: [] }],
    });
    const kid = keyId(nobleSha256, signer.publicKey);
    return sealMessage({ payload, externalData: externalData(coOp.origin, 'meter-frame/v1'), kid, signer });
  }
});

function signerOfFile(file: string): Signer {
  const key = createPrivateKey(readFileSync(file));
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return {
    publicKey: new Uint8Array(Buffer.from(x, 'base64url')),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  };
}
