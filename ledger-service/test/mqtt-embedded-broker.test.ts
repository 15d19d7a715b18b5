import { connect as connectSocket, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import mqtt, { type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../src/adapters/mqtt/embedded-broker.js';
import { TAKEN } from '../src/adapters/mqtt/message-bus.js';
import { until } from './support/pump-fakes.js';

let broker: EmbeddedBroker;
let clients: MqttClient[] = [];
let sockets: Socket[] = [];
const lines: string[] = [];

beforeEach(async () => {
  broker = new EmbeddedBroker({ port: 0, log: (line) => lines.push(line) });
  await broker.start();
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.endAsync(true)));
  for (const socket of sockets) socket.destroy();
  clients = [];
  sockets = [];
  await broker.stop();
});

async function client(options: mqtt.IClientOptions = {}): Promise<MqttClient> {
  const made = await mqtt.connectAsync(broker.url, { protocolVersion: 4, reconnectPeriod: 0, ...options });
  made.on('error', () => {});
  clients.push(made);
  return made;
}

function socket(): Socket {
  const made = connectSocket(Number(new URL(broker.url).port), '127.0.0.1');
  made.on('error', () => {});
  sockets.push(made);
  return made;
}

const frameTopic = 'cw/1/street/home1/frame';

describe('the embedded broker', () => {
  it('listens on loopback and says on which port', () => {
    expect(broker.url).toMatch(/^mqtt:\/\/127\.0\.0\.1:\d+$/);
  });

  it('says in one sentence that a port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const second = new EmbeddedBroker({ port });
    await expect(second.start()).rejects.toThrow(`MQTT port ${port} on 127.0.0.1 is taken by another program`);
    other.close();
  });

  it('acknowledges a frame only after it was kept', async () => {
    const keep: (() => void)[] = [];
    broker.onMessage(() => ({ room: Promise.resolve(), kept: new Promise((resolve) => keep.push(resolve)) }));
    const gateway = await client();
    let acknowledged = false;
    const sent = gateway.publishAsync(frameTopic, Buffer.from('a'), { qos: 1 }).then(() => {
      acknowledged = true;
    });
    await until('the frame is handed in', () => keep.length === 1);
    await gateway.subscribeAsync('cw/1/street/home2/answer').catch(() => undefined);
    expect(acknowledged).toBe(false);
    keep[0]?.();
    await sent;
    expect(broker.framePublishes).toBe(1);
  });

  it('reads no more of a client than a few dozen messages while none of them is kept, and all of it afterwards', async () => {
    const keep: (() => void)[] = [];
    const taken: number[] = [];
    broker.onMessage(({ payload }) => {
      taken.push(payload.length);
      return { room: Promise.resolve(), kept: new Promise((resolve) => keep.push(resolve)) };
    });
    const [eager, other] = await Promise.all([client(), client()]);
    // Some are longer than what is read at once, and none ends where a read does.
    const lengths = Array.from({ length: 1_000 }, (_, n) => (n % 97 === 96 ? 60_000 : 200 + (n % 7)));
    const sent = lengths.map((length) => eager.publishAsync(frameTopic, Buffer.alloc(length), { qos: 1 }));
    await until('the first are taken', () => taken.length > 0);
    await other.subscribeAsync('cw/1/street/home2/answer');
    expect(taken.length).toBeLessThan(64);
    let before = taken.length;
    await until('all are taken', () => {
      expect(taken.length - before).toBeLessThan(64);
      before = taken.length;
      for (const done of keep.splice(0)) done();
      return taken.length === lengths.length;
    });
    await Promise.all(sent);
    expect(taken).toEqual(lengths);
  });

  it('lets go a client whose frame could not be kept, without an acknowledgement', async () => {
    broker.onMessage(() => ({ room: Promise.resolve(), kept: Promise.reject(new Error('disk full')) }));
    const gateway = await client();
    const lost = new Promise<void>((resolve) => gateway.once('close', () => resolve()));
    let acknowledged = false;
    gateway.publish(frameTopic, Buffer.from('a'), { qos: 1 }, (error) => {
      acknowledged = error === undefined || error === null;
    });
    await lost;
    expect(acknowledged).toBe(false);
  });

  it.each(['cw/1/street/home1/answer', 'cw/1/street/checkpoint', '$SYS/x', 'elsewhere', 'cw/1/street/-bad/frame'])(
    'refuses what a client publishes on %s',
    async (topic) => {
      broker.onMessage(() => TAKEN);
      const listener = await client();
      const got: string[] = [];
      listener.on('message', (name) => got.push(name));
      await listener.subscribeAsync('#');
      const stranger = await client();
      const closed = new Promise<void>((resolve) => stranger.once('close', () => resolve()));
      stranger.publish(topic, 'forged', { qos: 1, retain: true });
      await closed;
      await broker.publish('cw/1/street/home1/answer', Buffer.from('real'), { qos: 1 });
      await until('the real answer arrives', () => got.includes('cw/1/street/home1/answer'));
      expect(got).toEqual(['cw/1/street/home1/answer']);
    },
  );

  it('passes the ledger’s answers and keeps its checkpoint for later subscribers', async () => {
    await broker.publish('cw/1/street/checkpoint', Buffer.from('note'), { qos: 1, retain: true });
    const gateway = await client();
    const got = new Map<string, string>();
    gateway.on('message', (topic, payload) => got.set(topic, payload.toString()));
    await gateway.subscribeAsync(['cw/1/street/home1/answer', 'cw/1/street/checkpoint'], { qos: 1 });
    await broker.publish('cw/1/street/home1/answer', Buffer.from('receipt'), { qos: 1 });
    await until('both arrive', () => got.size === 2);
    expect(Object.fromEntries(got)).toEqual({
      'cw/1/street/checkpoint': 'note',
      'cw/1/street/home1/answer': 'receipt',
    });
  });

  it('retains status and nothing else of what gateways send', async () => {
    broker.onMessage(() => TAKEN);
    const gateway = await client();
    await gateway.publishAsync(frameTopic, 'f', { qos: 1, retain: true });
    await gateway.publishAsync('cw/1/street/home1/live', 'l', { qos: 1, retain: true });
    await gateway.publishAsync('cw/1/street/home1/status', 's', { qos: 1, retain: true });
    const later = await client();
    const got: string[] = [];
    later.on('message', (topic) => got.push(topic));
    await later.subscribeAsync('cw/1/street/#', { qos: 1 });
    await broker.publish('cw/1/street/home1/answer', Buffer.from('end'), { qos: 1 });
    await until('the end arrives', () => got.includes('cw/1/street/home1/answer'));
    expect(got.filter((topic) => !topic.endsWith('/answer'))).toEqual(['cw/1/street/home1/status']);
  });

  it('takes a frame that comes as a last will like any other', async () => {
    const seen: string[] = [];
    broker.onMessage(({ payload }) => {
      seen.push(Buffer.from(payload).toString());
      return TAKEN;
    });
    const dying = await client({ will: { topic: frameTopic, payload: Buffer.from('will'), qos: 1, retain: true } });
    dying.stream.destroy();
    await until('the will arrives', () => seen.includes('will'));
  });

  it('survives any bytes at all, before and after a proper CONNECT', async () => {
    broker.onMessage(() => TAKEN);
    const connect = Buffer.from([0x10, 0x0d, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 1, 0x61]);
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 300 }), async (proper, bytes) => {
        const stranger = socket();
        await new Promise((resolve) => stranger.once('connect', resolve));
        stranger.resume();
        stranger.end(proper ? Buffer.concat([connect, bytes]) : bytes);
        await new Promise<void>((resolve) => stranger.once('close', () => resolve()));
      }),
      { numRuns: 150 },
    );
    const good = await client();
    await good.publishAsync(frameTopic, 'still here', { qos: 1 });
  });

  it('ends a connection that announces a packet of 200 MB', async () => {
    const stranger = socket();
    const closed = new Promise<void>((resolve) => stranger.once('close', () => resolve()));
    stranger.resume();
    stranger.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x5f]));
    await closed;
  });

  it('lets go a subscriber that does not read, and goes on serving the others', async () => {
    broker.onMessage(() => TAKEN);
    const deaf = socket();
    await new Promise((resolve) => deaf.once('connect', resolve));
    const topic = Buffer.from('cw/1/street/home1/answer');
    deaf.write(Buffer.from([0x10, 0x0d, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 1, 0x64]));
    deaf.write(Buffer.concat([Buffer.from([0x82, topic.length + 5, 0, 1, 0, topic.length]), topic, Buffer.from([0])]));
    await new Promise((resolve) => deaf.once('readable', resolve));
    const gateway = await client();
    let got = 0;
    gateway.on('message', () => {
      got += 1;
    });
    await gateway.subscribeAsync('cw/1/street/home1/answer', { qos: 0 });
    const big = new Uint8Array(60_000);
    for (let i = 0; i < 200; i += 1) await broker.publish('cw/1/street/home1/answer', big, { qos: 0 });
    await until('the reading client has all', () => got === 200);
    const port = Number(new URL(broker.url).port);
    expect(deaf.remotePort).toBe(port);
    deaf.resume();
    await new Promise((resolve) => deaf.once('close', resolve));
  });

  it('stops within a moment while clients are connected', async () => {
    await client();
    socket();
    const before = Date.now();
    await broker.stop();
    expect(Date.now() - before).toBeLessThan(1_000);
  });
});
