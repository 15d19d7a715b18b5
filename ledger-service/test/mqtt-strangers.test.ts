/** Strangers who speak MQTT, after their fashion: none of them stops the broker, and a gateway is served all the while. */
import { connect as connectSocket } from 'node:net';
import fc from 'fast-check';
import mqtt from 'mqtt';
import { describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../src/adapters/mqtt/embedded-broker.js';
import { TAKEN } from '../src/adapters/mqtt/message-bus.js';

const TOPICS = [
  ...['cw/1/a/b/frame', 'cw/1/a/b/event', 'cw/1/a/b/status', 'cw/1/a/b/answer', 'cw/1/a/checkpoint'],
  ...['#', '+/#', '$SYS/#', '$share/g/cw/1/a/b/frame', 'cw/1/+/+/frame', '#/a', 'a+', '', '/', '\u0000'],
  ...['a/'.repeat(120), 'x'.repeat(60_000), '__proto__', 'cw/1/constructor/__proto__/status', 'toString'],
];
const CLIENTS = ['a', 'b', '', '__proto__', 'constructor', 'x'.repeat(300)];

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}

/** MQTT 2.2: first byte, remaining length in sevens of bits, the rest. */
function packet(first: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length: number[] = [];
  for (let rest = body.length; length.length === 0 || rest > 0; rest >>= 7) {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
  }
  return Buffer.concat([Buffer.of(first, ...length), body]);
}

const topic = fc.constantFrom(...TOPICS);
const messageId = fc.integer({ min: 0, max: 5 }).map((id) => Buffer.of(0, id));
const payload = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));

const connect = fc
  .tuple(fc.constantFrom(3, 4, 5, 9), fc.integer({ min: 0, max: 255 }), fc.constantFrom(...CLIENTS), topic, payload)
  .map(([version, flags, client, will, said]) => {
    const wills = (flags & 4) === 0 ? [] : [text(will), text(said.toString('latin1'))];
    return packet(0x10, text('MQTT'), Buffer.of(version, flags & ~0xc0, 0, 5), text(client), ...wills);
  });
const publish = fc
  .tuple(fc.integer({ min: 0, max: 15 }), topic, messageId, payload)
  .map(([flags, name, id, said]) => packet(0x30 | flags, text(name), ...((flags & 6) === 0 ? [] : [id]), said));
const subscribe = fc
  .tuple(
    fc.constantFrom(0x82, 0xa2),
    messageId,
    fc.array(fc.tuple(topic, fc.integer({ min: 0, max: 3 })), { maxLength: 4 }),
  )
  .map(([first, id, filters]) => {
    return packet(
      first,
      id,
      ...filters.flatMap(([name, qos]) => [text(name), ...(first === 0x82 ? [Buffer.of(qos)] : [])]),
    );
  });
const acknowledge = fc
  .tuple(fc.constantFrom(0x40, 0x50, 0x62, 0x70), messageId)
  .map(([first, id]) => packet(first, id));
const bare = fc.constantFrom(0xc0, 0xe0, 0x20, 0x90, 0xd0, 0xf0, 0x00).map((first) => packet(first));

/** What one of them says, cut and bent where it pleases. */
const speech = fc
  .tuple(
    fc.boolean(),
    fc.array(fc.oneof(connect, publish, publish, subscribe, acknowledge, bare), { maxLength: 12 }),
    fc.option(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }))),
  )
  .map(([isPolite, packets, bend]) => {
    const hello = packet(0x10, text('MQTT'), Buffer.of(4, 2, 0, 60), text('polite'));
    const bytes = Buffer.concat([...(isPolite ? [hello] : []), ...packets]);
    if (bend !== null && bytes.length > 0) bytes[bend[0] % bytes.length] = bend[1];
    return bytes;
  });

describe('the embedded broker among strangers', () => {
  it('serves a gateway while they say anything at all', async () => {
    const broker = new EmbeddedBroker({ port: 0 });
    await broker.start();
    broker.onMessage(() => TAKEN);
    const port = Number(new URL(broker.url).port);
    const gateway = await mqtt.connectAsync(broker.url, { protocolVersion: 4, reconnectPeriod: 0, clientId: 'box' });
    gateway.on('error', () => {});
    await fc.assert(
      fc.asyncProperty(speech, async (bytes) => {
        const stranger = connectSocket(port, '127.0.0.1');
        const gone = new Promise<void>((resolve) => stranger.once('close', () => resolve()));
        stranger.on('error', () => {});
        stranger.resume();
        stranger.end(bytes);
        await gone;
        await gateway.publishAsync('cw/1/street/home1/frame', 'frame', { qos: 1 });
      }),
      { numRuns: 400 },
    );
    expect(gateway.connected).toBe(true);
    await gateway.endAsync(true);
    await broker.stop();
  }, 60_000);
});
