import mqtt, { type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrokerClient, safeUrl } from '../src/adapters/mqtt/broker-client.js';
import { FrameCounter } from '../src/adapters/mqtt/frame-counter.js';
import { TAKEN } from '../src/adapters/mqtt/message-bus.js';
import { MAX_PACKET_BYTES } from '../src/adapters/mqtt/packet-guard.js';
import { type Mosquitto, noMosquitto, startMosquitto } from './support/mosquitto.js';
import { until } from './support/pump-fakes.js';

const topic = 'cw/1/street/home1/frame';

describe('an external broker', () => {
  it('is named in one sentence when it cannot be reached', async () => {
    const bus = new BrokerClient({ url: 'mqtt://user:secret@127.0.0.1:1', clientId: 'a' });
    await expect(bus.start(300)).rejects.toThrow(/^no MQTT broker at mqtt:\/\/\*\*\*@127\.0\.0\.1:1: /);
    await bus.stop();
    await expect(FrameCounter.open('mqtt://127.0.0.1:1', 'street')).rejects.toThrow(/^no MQTT broker at/);
  });

  it('is refused when its URL is none', async () => {
    await expect(new BrokerClient({ url: 'nonsense', clientId: 'a' }).start()).rejects.toMatchObject({
      code: 'config',
    });
  });

  it('never shows its password', () => {
    expect(safeUrl('mqtts://co-op:pa:ss@broker.example:8883')).toBe('mqtts://***@broker.example:8883');
  });
});

describe.skipIf(noMosquitto !== '')(`with mosquitto${noMosquitto && `: ${noMosquitto}`}`, () => {
  let broker: Mosquitto;
  const clients: MqttClient[] = [];

  beforeAll(async () => {
    broker = await startMosquitto();
  });

  afterAll(async () => {
    await Promise.all(clients.map((client) => client.endAsync(true)));
    await broker?.stop();
  });

  async function gateway(): Promise<MqttClient> {
    const made = await mqtt.connectAsync(broker.url, { protocolVersion: 4 });
    clients.push(made);
    return made;
  }

  it('delivers frames again that were not kept, and not those that were', async () => {
    const first = new BrokerClient({ url: broker.url, clientId: 'ledger-again' });
    const seen: string[] = [];
    first.onMessage(({ payload }) => {
      const text = Buffer.from(payload).toString();
      seen.push(text);
      const kept = text === 'kept' ? Promise.resolve() : new Promise<void>(() => {});
      return { room: Promise.resolve(), kept };
    });
    await first.start();
    const sender = await gateway();
    for (const text of ['kept', 'not kept', 'not kept either']) await sender.publishAsync(topic, text, { qos: 1 });
    await until('all three arrive', () => seen.length === 3);
    await first.stop();

    const second = new BrokerClient({ url: broker.url, clientId: 'ledger-again' });
    const again: string[] = [];
    second.onMessage(({ payload }) => {
      again.push(Buffer.from(payload).toString());
      return TAKEN;
    });
    await second.start();
    await sender.publishAsync(topic, 'new', { qos: 1 });
    await until('the new one arrives', () => again.includes('new'));
    expect(again).toEqual(['not kept', 'not kept either', 'new']);
    await second.stop();
  });

  it('looks at nothing that is longer than the embedded broker would let in, and acknowledges it', async () => {
    const bus = new BrokerClient({ url: broker.url, clientId: 'ledger-short', clean: true });
    const lengths: number[] = [];
    bus.onMessage(({ payload }) => {
      lengths.push(payload.length);
      return TAKEN;
    });
    await bus.start();
    const sender = await gateway();
    // More than mosquitto sends without an acknowledgement.
    const huge = Array.from({ length: 40 }, () => Buffer.alloc(MAX_PACKET_BYTES + 1));
    for (const message of [...huge, Buffer.alloc(7)]) await sender.publishAsync(topic, message, { qos: 1 });
    await until('the short one arrives', () => lengths.includes(7));
    expect(lengths).toEqual([7]);
    await bus.stop();
  });

  it('holds many frames open at once instead of one after the other', async () => {
    const bus = new BrokerClient({ url: broker.url, clientId: 'ledger-many', clean: true });
    let open = 0;
    const keep: (() => void)[] = [];
    bus.onMessage(() => {
      open += 1;
      return { room: Promise.resolve(), kept: new Promise((resolve) => keep.push(resolve)) };
    });
    await bus.start();
    const sender = await gateway();
    await Promise.all(Array.from({ length: 10 }, (_, i) => sender.publishAsync(topic, `${i}`, { qos: 1 })));
    await until('ten are open', () => open === 10);
    for (const one of keep) one();
    expect(bus.framePublishes).toBe(10);
    await bus.stop();
  });

  it('counts frames of one community from a subscriber of its own', async () => {
    const counter = await FrameCounter.open(broker.url, 'counted');
    const sender = await gateway();
    for (let i = 0; i < 25; i += 1) await sender.publishAsync('cw/1/counted/home1/frame', `${i}`, { qos: 1 });
    await sender.publishAsync('cw/1/other/home1/frame', 'x', { qos: 1 });
    await sender.publishAsync('cw/1/counted/home1/event', 'x', { qos: 1 });
    expect(await counter.settle(25, 5_000)).toBe(25);
    await counter.stop();
  });

  it('finds its way back to a broker that was away', async () => {
    const away = await startMosquitto();
    const bus = new BrokerClient({ url: away.url, clientId: 'ledger-back' });
    bus.onMessage(() => TAKEN);
    await bus.start();
    await away.stop();
    await until('the connection is noticed as lost', () => !bus.connected);
    await expect(bus.publish('cw/1/street/home1/answer', new Uint8Array(1), { qos: 1 })).rejects.toMatchObject({
      code: 'broker',
    });
    await bus.stop();
  });
});
