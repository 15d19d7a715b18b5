/**
 * A process that publishes sealed frames which somebody else made, and knows no key. Reads a plan (JSON file), publishes
 * in its order, listens to the answers, and publishes again whatever has no receipt, until each frame has one. Says how
 * far it is in JSON lines.
 *
 * plan: { url, community, window, order: [index, ...], frames: [{ topic, message: hex }] }. `order` is that of the first
 * round; an index may stand in it several times.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseAnswerMessage } from '@commonwatt/firmware-protocol';
import mqtt from 'mqtt';

const QUIET_MS = 300;
const GIVE_UP_MS = 80_000;
const SAY_EVERY = 50;

const plan = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const frames = plan.frames.map(({ topic, message }) => {
  const bytes = Buffer.from(message, 'hex');
  return { topic, bytes, hash: createHash('sha256').update(bytes).digest('hex') };
});
const receipts = new Set();
let published = 0;
let answered = 0;
let connections = 0;
let heardMs = performance.now();

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const missing = () => [...frames.keys()].filter((at) => !receipts.has(frames[at].hash));
const pauseMs = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// What was not acknowledged when a connection broke is sent again by the library, with the DUP flag: a redelivery.
const client = mqtt.connect(plan.url, { protocolVersion: 4, reconnectPeriod: 100 });
client.on('error', () => undefined);
client.on('connect', () => {
  connections += 1;
});
client.on('message', (_topic, payload) => {
  heardMs = performance.now();
  answered += 1;
  const opened = parseAnswerMessage(new Uint8Array(payload));
  if (opened.kind === 'receipt') receipts.add(Buffer.from(opened.answer.messageHash).toString('hex'));
});
await client.subscribeAsync(`cw/1/${plan.community}/+/answer`, { qos: 1 });

async function publishAll(order) {
  const queue = [...order];
  const work = async () => {
    for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
      const { topic, bytes } = frames[at];
      await client.publishAsync(topic, bytes, { qos: 1 });
      published += 1;
      if (published % SAY_EVERY === 0) say({ published, receipts: receipts.size });
    }
  };
  await Promise.all(Array.from({ length: plan.window }, work));
}

async function quiet() {
  while (missing().length > 0 && performance.now() - heardMs < QUIET_MS) await pauseMs(10);
}

let rounds = 0;
for (let order = plan.order; order.length > 0; order = missing()) {
  if (performance.now() > GIVE_UP_MS) break;
  rounds += 1;
  heardMs = performance.now();
  await publishAll(order);
  await quiet();
}
say({ done: missing().length === 0, published, receipts: receipts.size, answered, rounds, connections });
await client.endAsync();
process.exitCode = missing().length === 0 ? 0 : 1;
