/** Five megabytes on every topic, again and again, through both brokers: dropped, nobody dies, memory settles. */
import mqtt, { type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Mosquitto, noMosquitto, startMosquitto } from '../../ledger-service/test/support/mosquitto.js';
import { drawSeed } from '../e2e/support/seed.js';
import { until } from '../e2e/support/until.js';
import { FaultStreet } from './support/fault-street.js';
import { isLongRun } from './support/long-run.js';
import { residentMb } from './support/probe.js';

const FIVE_MEGABYTES = Buffer.alloc(5 * 1024 * 1024, 0x9f);
const ROUNDS = isLongRun ? 30 : 4;
/** What a process may keep of it. The heap of Node gives back slowly; what was sent is far more. */
const MAX_GROWTH_MB = 96;
const STORY_WITHIN_MS = 90_000;
const seed = drawSeed();

describe(`5 MB on every topic of the embedded broker (seed ${seed})`, () => {
  story(async () => undefined);
});

describe.skipIf(noMosquitto !== '')(
  `5 MB on every topic of mosquitto (seed ${seed})${noMosquitto && `: ${noMosquitto}`}`,
  () => {
    story(startMosquitto);
  },
);

function story(startBroker: () => Promise<Mosquitto | undefined>): void {
  let outside: Mosquitto | undefined;
  let street: FaultStreet;

  beforeAll(async () => {
    outside = await startBroker();
    street = await FaultStreet.build({ seed, homes: ['linden-1'], ...(outside && { brokerUrl: outside.url }) });
    await street.go();
    await street.answered(2);
  }, STORY_WITHIN_MS);

  afterAll(async () => {
    await street?.stop();
    await outside?.stop();
  });

  it('leave box and ledger alive, no larger than before, and with nothing written down', {
    timeout: STORY_WITHIN_MS,
  }, async () => {
    const pids = [street.ledger.program.pid ?? 0, street.boxes[0]?.pid ?? 0];
    const before = pids.map(residentMb);
    const { community } = street.coOp;
    const home = `cw/1/${community}/${street.boxes[0]?.home}`;
    const topics = [...['frame', 'event', 'answer', 'status', 'live'].map((leaf) => `${home}/${leaf}`)];
    topics.push(`cw/1/${community}/checkpoint`, 'cw/1/elsewhere/x/frame', 'anything/at/all');
    for (let round = 0; round < ROUNDS; round++) {
      for (const topic of topics) await shout(street.ledger.mqttUrl, topic);
      await street.answered(1);
    }
    await until('memory to settle', 20_000, () =>
      pids.every((pid, at) => residentMb(pid) - before[at]! < MAX_GROWTH_MB),
    );
    expect(await street.ledger.health()).toBe(200);
    await street.rest();
    await street.expectWhole();
  });
}

/** Publishes once; resolves when the broker has taken it or hung up. */
async function shout(url: string, topic: string): Promise<void> {
  const client: MqttClient = mqtt.connect(url, { protocolVersion: 4, reconnectPeriod: 0 });
  await new Promise<void>((resolve) => {
    client.on('error', () => resolve());
    client.on('close', () => resolve());
    client.on('connect', () => client.publish(topic, FIVE_MEGABYTES, { qos: 1 }, () => resolve()));
  });
  await client.endAsync(true);
}
