import { connect as connectSocket } from 'node:net';
import fc from 'fast-check';
import mqtt, { type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../src/adapters/mqtt/embedded-broker.js';
import { TAKEN } from '../src/adapters/mqtt/message-bus.js';
import { pubackPacket, publishPacket } from '../src/adapters/mqtt/packet-outbox.js';
import { type TopicListener, TopicListeners } from '../src/adapters/mqtt/topic-listeners.js';
import { until } from './support/pump-fakes.js';

describe('packets of the broker', () => {
  it('are those of MQTT 3.1.1, byte for byte', () => {
    expect(pubackPacket(0x0102).toString('hex')).toBe('40020102');
    expect(publishPacket('a/b', Uint8Array.of(1, 2), 7).toString('hex')).toBe('32090003612f6200070102');
    expect(publishPacket('a/b', Uint8Array.of(1, 2), undefined).toString('hex')).toBe('30070003612f620102');
  });

  it.each([
    [0x7f - 3, '307f'],
    [0x80 - 3, '308001'],
    [0x3fff - 3, '30ff7f'],
    [0x4000 - 3, '30808001'],
    [0x20_0000 - 3, '3080808001'],
  ])('with %i bytes of payload carry their length in as few bytes as it takes', (bytes, head) => {
    const packet = publishPacket('t', new Uint8Array(bytes), undefined);
    expect(packet.toString('hex', 0, head.length / 2)).toBe(head);
    expect(packet.length).toBe(head.length / 2 + 3 + bytes);
  });
});

describe('listeners of topics', () => {
  const told = (listeners: TopicListeners, topic: string): Promise<number> =>
    new Promise((resolve) => {
      let calls = 0;
      const count: TopicListener = (_message, done) => {
        calls += 1;
        done();
      };
      listeners.on('other', count).emit({ topic }, () => resolve(calls));
    });

  it('are those whose filter covers the topic', () => {
    const level = fc.constantFrom('a', 'b', '');
    const levels = fc.array(level, { minLength: 1, maxLength: 4 });
    const filters = fc
      .tuple(fc.array(fc.constantFrom('a', 'b', '', '+'), { minLength: 1, maxLength: 4 }), fc.boolean())
      .map(([parts, some]) => [...parts, ...(some ? ['#'] : [])].join('/'));
    fc.assert(
      fc.property(fc.array(filters, { maxLength: 6 }), levels, (asked, topicLevels) => {
        const topic = topicLevels.join('/');
        const listeners = new TopicListeners();
        for (const filter of asked) listeners.on(filter, () => undefined);
        expect(listeners.count(topic)).toBe(asked.filter((filter) => pattern(filter).test(topic)).length);
      }),
    );
  });

  it('are told until they are removed, and the sender when all have passed the message on', async () => {
    const listeners = new TopicListeners();
    let calls = 0;
    const waiting: (() => void)[] = [];
    const slow: TopicListener = (_message, done) => waiting.push(done);
    const quick: TopicListener = (_message, done) => {
      calls += 1;
      done();
    };
    listeners.on('a/+', slow).on('a/b', quick).on('a/b', slow);
    let isDone = false;
    const emitted = new Promise<void>((resolve) => listeners.emit({ topic: 'a/b' }, () => resolve())).then(() => {
      isDone = true;
    });
    expect([calls, waiting.length]).toEqual([1, 2]);
    waiting[0]?.();
    await Promise.resolve();
    expect(isDone).toBe(false);
    waiting[1]?.();
    await emitted;
    listeners.removeListener('a/+', slow).removeListener('a/b', quick).removeListener('a/b', slow);
    expect(listeners.count('a/b')).toBe(0);
    expect(await told(listeners, 'a/b')).toBe(0);
  });
});

describe('answers of the embedded broker', () => {
  const frames = 'cw/1/street/home1/frame';
  const answers = 'cw/1/street/home1/answer';
  let broker: EmbeddedBroker;
  let clients: MqttClient[] = [];

  beforeEach(async () => {
    broker = new EmbeddedBroker({ port: 0 });
    broker.onMessage(() => TAKEN);
    await broker.start();
  });

  afterEach(async () => {
    await Promise.all(clients.map((client) => client.endAsync(true)));
    clients = [];
    await broker.stop();
  });

  async function listener(filter: string, qos: 0 | 1): Promise<{ client: MqttClient; got: string[] }> {
    const client = await mqtt.connectAsync(broker.url, { protocolVersion: 4, reconnectPeriod: 0 });
    clients.push(client);
    const got: string[] = [];
    client.on('message', (_topic, payload, packet) => got.push(`${payload} at ${packet.qos}`));
    await client.subscribeAsync(filter, { qos });
    return { client, got };
  }

  it('come once to each who asked, at the quality that was asked for, with or without wildcards beside', async () => {
    const sure = await listener(answers, 1);
    const loose = await listener(answers, 0);
    await broker.publish(answers, Buffer.from('first'), { qos: 1 });
    const curious = await listener('cw/1/+/+/answer', 1);
    await broker.publish(answers, Buffer.from('second'), { qos: 1 });
    await curious.client.unsubscribeAsync('cw/1/+/+/answer');
    await broker.publish(answers, Buffer.from('third'), { qos: 1 });
    await until('all have come', () => sure.got.length + loose.got.length + curious.got.length === 7);
    expect(sure.got).toEqual(['first at 1', 'second at 1', 'third at 1']);
    expect(loose.got).toEqual(['first at 0', 'second at 0', 'third at 0']);
    expect(curious.got).toEqual(['second at 1']);
  });

  it('go to nobody who has left, and reach who comes again', async () => {
    const first = await listener(answers, 1);
    await first.client.endAsync(true);
    await broker.publish(answers, Buffer.from('to nobody'), { qos: 1 });
    const second = await listener(answers, 1);
    await broker.publish(answers, Buffer.from('again'), { qos: 1 });
    await until('it has come', () => second.got.length === 1);
    expect(second.got).toEqual(['again at 1']);
  });

  it('come behind the acknowledgement of what they answer, in one write with it', async () => {
    const socket = connectSocket(Number(new URL(broker.url).port), '127.0.0.1');
    const chunks: string[] = [];
    socket.on('data', (bytes) => chunks.push(bytes.toString('hex')));
    socket.write(Buffer.from([0x10, 0x0d, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 1, 0x64]));
    await until('the connection stands', () => chunks.join('') === '20020000');
    const topic = Buffer.from(answers);
    socket.write(Buffer.concat([Buffer.from([0x82, topic.length + 5, 0, 1, 0, topic.length]), topic, Buffer.of(0)]));
    await until('the subscription stands', () => chunks.join('') === '200200009003000100');
    chunks.length = 0;
    broker.onMessage(() => {
      let keep = (): void => undefined;
      const kept = new Promise<void>((resolve) => {
        keep = resolve;
      });
      setImmediate(() => {
        keep();
        void broker.publish(answers, Uint8Array.of(9), { qos: 1 });
      });
      return { room: Promise.resolve(), kept };
    });
    socket.write(publishPacket(frames, Uint8Array.of(5), 0x0203));
    const expected = `40020203${publishPacket(answers, Uint8Array.of(9), undefined).toString('hex')}`;
    await until('both have come', () => chunks.join('').length >= expected.length);
    socket.destroy();
    expect(chunks).toEqual([expected]);
  });

  it('leave frames to whoever listens to them, at the quality that was asked for', async () => {
    const watcher = await listener('cw/1/street/+/frame', 1);
    const gateway = await listener(answers, 1);
    await gateway.client.publishAsync(frames, 'seen', { qos: 1 });
    await until('the frame was passed on', () => watcher.got.length === 1);
    expect(watcher.got).toEqual(['seen at 1']);
  });
});

/** MQTT 4.7.1 as a regular expression. */
function pattern(filter: string): RegExp {
  const parts = filter.split('/');
  const some = parts.at(-1) === '#';
  const levels = (some ? parts.slice(0, -1) : parts).map((level) => (level === '+' ? '[^/]*' : level));
  return new RegExp(`^${levels.join('/')}${some ? '(/.*)?' : ''}$`);
}
