/** A broker that lets anybody say anything: box and ledger believe signatures and proofs, not the topic they came on. */
import { createHash } from 'node:crypto';
import { encodeAnswer, externalData, fromHex, sealMessage, VERDICT } from '@commonwatt/firmware-protocol';
import mqtt, { type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Mosquitto, noMosquitto, startMosquitto } from '../../ledger-service/test/support/mosquitto.js';
import { CoOp, type ServedLedger } from './support/co-op.js';
import { readFrame } from './support/frame-reader.js';
import { signerOf } from './support/node-keys.js';
import type { Program } from './support/program.js';
import { drawSeed, seededBytes, seededRandom } from './support/seed.js';
import { GatewayProcess, startStreet } from './support/street-processes.js';
import { TempFolder } from './support/temp-folder.js';
import { until } from './support/until.js';

const HOME = 'linden-7';
const SPEED = 300;
/** Two days ago, at ten: an event of a counter must not be much older when it arrives. */
const START_S = (Math.floor(Date.now() / 86_400_000) - 2) * 86_400 + 10 * 3_600;
const LIES = 3_000;
const FIVE_MEGABYTES = 5 * 1024 * 1024;

const seed = drawSeed();
const random = seededRandom(seed);
const title = `a box and a ledger at an open broker (seed ${seed})${noMosquitto && `: ${noMosquitto}`}`;

describe.skipIf(noMosquitto !== '')(title, () => {
  const folder = new TempFolder('open-broker');
  /** What the box sent and what the ledger said to it, as the liar heard it. */
  const heard: { topic: string; payload: Uint8Array }[] = [];
  let mosquitto: Mosquitto;
  let coOp: CoOp;
  let sim: Program;
  let box: GatewayProcess;
  let ledger: ServedLedger;
  let liar: MqttClient;

  beforeAll(async () => {
    mosquitto = await startMosquitto();
    coOp = await CoOp.begin(folder.at('ledger'), { firstIntervalS: START_S, settings: ['--interval', '5m'] });
    const street = await startStreet(8, seed);
    sim = street.sim;
    const home = street.homes.find(({ id }) => id === HOME)!;
    const settings = ['--mqtt', mosquitto.url, '--poll', '60'];
    box = await GatewayProcess.enrol({ coOp, home, folder, settings });
    liar = await mqtt.connectAsync(mosquitto.url, { protocolVersion: 4 });
    liar.on('message', (topic, payload) => heard.push({ topic, payload: new Uint8Array(payload) }));
    await liar.subscribeAsync(['cw/1/+/+/frame', 'cw/1/+/+/answer'], { qos: 1 });
    ledger = await coOp.serveAt(mosquitto.url);
    const clock = { base_ms: START_S * 1_000, start_ns: process.hrtime.bigint().toString(), speed: SPEED };
    await Promise.all([sim.ask('clock', clock), box.run(clock)]);
    await receiptsBeyond(1);
  });

  afterAll(async () => {
    await liar?.endAsync(true);
    await box?.stop();
    await sim?.stop();
    await ledger?.program.stop();
    await mosquitto?.stop();
    folder.remove();
  });

  it(`goes on through ${LIES} lies on the box's answer topic, and deletes nothing on a forged receipt`, async () => {
    const topic = `cw/1/${coOp.community}/${HOME}/answer`;
    await tell(Array.from({ length: LIES }, (_, at) => ({ topic, payload: lie(at) })));
    await receiptsBeyond(await receipts());
    expect(await box.stats()).toMatchObject({ refused: 0, lost_readings: 0, epoch: 1 });
  });

  it('goes on through garbage and 5 MB on the topics that the ledger listens to', async () => {
    const leaves = ['frame', 'event'];
    const topics = leaves.flatMap((leaf) => [HOME, 'nobody'].map((home) => `cw/1/${coOp.community}/${home}/${leaf}`));
    const garbage = Array.from({ length: 1_000 }, (_, at) => ({
      topic: topics[at % topics.length]!,
      payload: seededBytes(Math.floor(random() * 400), random),
    }));
    const huge = topics.map((topic) => ({ topic, payload: new Uint8Array(FIVE_MEGABYTES).fill(0x9f) }));
    const checkpoint = { topic: `cw/1/${coOp.community}/checkpoint`, payload: seededBytes(300, random) };
    await tell([...garbage, ...huge, checkpoint]);
    await receiptsBeyond(await receipts());
    expect(await ledger.health()).toBe(200);
  });

  it.each(['garbage', 'sentinels', 'step-back'])(
    'goes on when its meter answers with %s for a while',
    async (fault) => {
      await sim.ask('fault', { home: HOME, fault, count: 3 });
      await receiptsBeyond(await receipts());
      await sim.ask('fault', { home: HOME, fault: 'none' });
      await receiptsBeyond(await receipts());
    },
  );

  it('has every frame of the box in the log at the end, each once, and nothing of the liars', async () => {
    const { t_ms: nowMs } = await sim.ask('stats');
    const restMs = (Math.floor(Number(nowMs) / 300_000) + 2) * 300_000;
    await sim.ask('now', { t_ms: restMs });
    await box.step(restMs);
    await until('a box without a frame that waits', 10_000, async () => (await box.stats()).pending === 0);
    const stats = await box.stats();
    expect(stats).toMatchObject({ refused: 0, epoch: 1, condition: 'ready' });
    const { frame, evidence = 0, gap = 0 } = await ledger.entryCounts();
    expect({ frame, evidence, gap }).toEqual({ frame: Number(stats.next) - 1, evidence: 0, gap: 0 });
    await coOp.balances();
  });

  async function receipts(): Promise<number> {
    return Number((await box.stats()).receipts);
  }

  async function receiptsBeyond(count: number): Promise<void> {
    await until(`more than ${count} receipts`, 15_000, async () => (await receipts()) > count);
  }

  async function tell(messages: readonly { topic: string; payload: Uint8Array }[]): Promise<void> {
    for (let from = 0; from < messages.length; from += 200) {
      const some = messages.slice(from, from + 200);
      await Promise.all(some.map(({ topic, payload }) => liar.publishAsync(topic, Buffer.from(payload), { qos: 1 })));
    }
  }

  /** Receipts without a proof, refusals by a wrong key, answers to others, true answers bent, and noise. */
  function lie(at: number): Uint8Array {
    const frames = heard.filter(({ topic }) => topic.endsWith('/frame'));
    const truths = heard.filter(({ topic, payload }) => topic.endsWith('/answer') && payload[0] === 0xae);
    const frame = frames.at(-1 - (at % 3)) ?? frames[0]!;
    const truth = truths[at % Math.max(1, truths.length)]?.payload ?? seededBytes(200, random);
    const kinds = [
      () => seededBytes(Math.floor(random() * 600), random),
      () => forgedReceipt(frame.payload),
      () => forgedRefusal(frame.payload, 1 + (at % 9)),
      () => truth.with(at % truth.length, (truth[at % truth.length]! + 1) & 0xff),
      () => truth.slice(0, at % truth.length),
    ];
    return kinds[at % kinds.length]!();
  }

  function forgedReceipt(message: Uint8Array): Uint8Array {
    const { kid, epoch, number } = readFrame(message);
    return encodeAnswer({
      ...{ kid: fromHex(kid), epoch, number, messageHash: hashOf(message), code: VERDICT.accepted },
      ...{ index: 4, salt: seededBytes(16, random), receivedS: START_S, next: number + 1, openEpoch: epoch },
      checkpoint: seededBytes(200, random),
      path: [seededBytes(32, random), seededBytes(32, random)],
    });
  }

  /** Everything as the ledger would say it, but for the key. */
  function forgedRefusal(message: Uint8Array, code: number): Uint8Array {
    const { kid, epoch, number } = readFrame(message);
    const payload = encodeAnswer({
      ...{ kid: fromHex(kid), epoch, number, messageHash: hashOf(message), code, receivedS: START_S },
      ...{ next: number + 7, openEpoch: epoch + 1 },
    });
    const external = externalData(coOp.origin, 'frame-answer/v1');
    const answerKid = hashOf(fromHex(box.file.answer_key)).slice(0, 8);
    return sealMessage({ payload, externalData: external, kid: answerKid, signer: signerOf(seededBytes(32, random)) });
  }
});

function hashOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}
