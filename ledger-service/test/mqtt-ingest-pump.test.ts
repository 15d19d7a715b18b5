import { connect } from 'node:net';
import mqtt, { type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_BATCH_FRAMES } from '../src/adapters/mqtt/batch-size.js';
import { EmbeddedBroker } from '../src/adapters/mqtt/embedded-broker.js';
import { IngestPump } from '../src/adapters/mqtt/ingest-pump.js';
import { LedgerError } from '../src/core/errors.js';
import { EchoCommunity, ledgerOf, until } from './support/pump-fakes.js';

let broker: EmbeddedBroker;
let pump: IngestPump;
let street: EchoCommunity;
let communities: Map<string, EchoCommunity>;
let nowMs: number;
let clients: MqttClient[];
let lines: string[];

beforeEach(async () => {
  street = new EchoCommunity();
  communities = new Map([['street', street]]);
  nowMs = 1_700_000_000_000;
  clients = [];
  lines = [];
  broker = new EmbeddedBroker({ port: 0 });
  await broker.start();
  pump = new IngestPump({
    ledger: ledgerOf(communities),
    bus: broker,
    clock: { nowMs: () => nowMs },
    monotonicMs: () => performance.now(),
    log: (line) => lines.push(line),
  });
  await pump.start();
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.endAsync(true)));
  await pump.stop();
  await broker.stop();
});

async function client(): Promise<MqttClient> {
  const made = await mqtt.connectAsync(broker.url, { protocolVersion: 4, reconnectPeriod: 0 });
  made.on('error', () => {});
  clients.push(made);
  return made;
}

const frames = (gateway = 'home1', community = 'street') => `cw/1/${community}/${gateway}/frame`;

describe('the pump between broker and ledger', () => {
  it('decides what a gateway sent in order and answers on the gateway’s own topic', async () => {
    const gateway = await client();
    const answers: string[] = [];
    gateway.on('message', (_topic, payload) => answers.push(payload.toString()));
    await gateway.subscribeAsync('cw/1/street/home1/answer', { qos: 1 });
    const sent = ['1', '2', '3'].map((n) => gateway.publishAsync(frames(), n, { qos: 1 }));
    sent.push(gateway.publishAsync('cw/1/street/home1/event', 'e', { qos: 1 }));
    sent.push(gateway.publishAsync(frames(), '4', { qos: 1 }));
    await Promise.all(sent);
    await until('all answers arrive', () => answers.length === 5);
    expect(street.seen).toEqual(['1', '2', '3', 'event e', '4']);
    expect(answers).toEqual(['1', '2', '3', 'e', '4']);
  });

  it('takes no more frames into a commit than it may and keeps every one of a flood', async () => {
    const gateways = await Promise.all(Array.from({ length: 9 }, client));
    const sent: Promise<unknown>[] = [];
    for (let i = 0; i < 500; i += 1) {
      for (const [g, gateway] of gateways.entries()) {
        sent.push(gateway.publishAsync(frames(`home${g}`), `${g}-${i}`, { qos: 1 }));
      }
    }
    await Promise.all(sent);
    expect(street.seen.length).toBe(4_500);
    expect(new Set(street.seen).size).toBe(4_500);
    expect(Math.max(...street.batches)).toBeLessThanOrEqual(MAX_BATCH_FRAMES);
    expect(pump.counts).toMatchObject({ accepted: 4_500, queued: 0, unknown: 0, failed: 0 });
  });

  it('makes senders wait while the store is slow', async () => {
    let open = () => {};
    street.gate = new Promise((resolve) => {
      open = resolve;
    });
    const gateways = await Promise.all(Array.from({ length: 8 }, client));
    const sent: Promise<unknown>[] = [];
    let acknowledged = 0;
    for (let i = 0; i < 500; i += 1) {
      for (const [g, gateway] of gateways.entries()) {
        const one = gateway.publishAsync(frames(`home${g}`), `${g}-${i}`, { qos: 1 });
        sent.push(one.then(() => (acknowledged += 1)));
      }
    }
    await until('all gateways are heard', () => broker.framePublishes >= gateways.length);
    expect(acknowledged).toBe(0);
    open();
    await Promise.all(sent);
    expect(new Set(street.seen).size).toBe(4_000);
  });

  it('tries a batch again while the store fails and acknowledges it afterwards', async () => {
    let failures = 2;
    street.fail = () => {
      if (failures-- > 0) throw new LedgerError('store', 'disk full');
    };
    const gateway = await client();
    await gateway.publishAsync(frames(), 'kept at last', { qos: 1 });
    expect(street.seen).toEqual(['kept at last']);
    expect(lines.join()).toContain('disk full');
  });

  it('drops alone the one message that our own code fails on', async () => {
    street.fail = (batch) => {
      if (batch.some(({ message }) => Buffer.from(message).toString() === 'poison')) throw new Error('boom');
    };
    const [bad, good] = await Promise.all([client(), client()]);
    const poison = bad?.publishAsync(frames(), 'poison', { qos: 1 }).catch(() => 'not acknowledged');
    await Promise.all(['a', 'b', 'c'].map((text) => good?.publishAsync(frames('home2'), text, { qos: 1 })));
    await until('the poison has been dropped', () => pump.counts.failed === 1);
    expect(street.seen.toSorted()).toEqual(['a', 'b', 'c']);
    await bad?.endAsync(true);
    void poison;
  });

  it('goes on answering others while somebody who asked for answers reads none', async () => {
    const deaf = connect(Number(new URL(broker.url).port), '127.0.0.1').on('error', () => {});
    const topic = 'cw/1/street/home1/answer';
    deaf.write(Buffer.from([0x10, 0x0d, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 1, 0x64]));
    deaf.write(Buffer.from([0x82, topic.length + 5, 0, 1, 0, topic.length, ...Buffer.from(topic), 1]));
    await new Promise((resolve) => deaf.once('readable', resolve));
    const gateway = await client();
    let answered = 0;
    gateway.on('message', () => (answered += 1));
    await gateway.subscribeAsync('cw/1/street/+/answer', { qos: 1 });
    const before = performance.now();
    for (let n = 0; n < 300; n += 1) {
      gateway.publish(frames('home1'), Buffer.alloc(4_000, n % 256), { qos: 1 });
      gateway.publish(frames('home2'), `${n}`, { qos: 1 });
    }
    await until('all answers are there', () => answered === 600);
    expect(performance.now() - before).toBeLessThan(4_000);
    deaf.destroy();
  });

  it('ignores and counts what names a community that is not here', async () => {
    const gateway = await client();
    await gateway.publishAsync(frames('home1', 'elsewhere'), 'x', { qos: 1 });
    expect(pump.counts.unknown).toBe(1);
  });

  it('finds a community that was created while it runs', async () => {
    const later = new EchoCommunity();
    communities.set('later', later);
    const gateway = await client();
    await until('the community is looked up', () => {
      gateway.publish(frames('home1', 'later'), 'x', { qos: 1 });
      return later.seen.length > 0;
    });
  });

  it('settles after frames, and again when the clock has passed a minute, and not otherwise', async () => {
    await until('it settles once at start', () => street.settled === 1);
    const gateway = await client();
    await gateway.publishAsync(frames(), 'x', { qos: 1 });
    await until('it settles after a frame', () => street.settled === 2);
    nowMs += 60_000;
    await until('it settles after a minute of the clock', () => street.settled === 3);
    // Two of its looks at what is due find nothing.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(street.settled).toBe(3);
  });

  it('publishes a changed checkpoint, retained, at most once a second', async () => {
    const reader = await client();
    const got: number[] = [];
    reader.on('message', (_topic, payload) => got.push(payload[0] ?? -1));
    await reader.subscribeAsync('cw/1/street/checkpoint', { qos: 1 });
    await until('the first is there', () => got.length === 1);
    const since = performance.now();
    for (let n = 2; n < 60; n += 1) {
      street.note = new Uint8Array([n]);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const seconds = (performance.now() - since) / 1_000;
    expect(got.length).toBeGreaterThan(1);
    expect(got.length).toBeLessThanOrEqual(2 + seconds);
  });

  it('finishes what it has taken in before it stops, and publishes the last checkpoint', async () => {
    let open = () => {};
    street.gate = new Promise((resolve) => {
      open = resolve;
    });
    const gateway = await client();
    const checkpoints: string[] = [];
    gateway.on('message', (_topic, payload) => checkpoints.push(payload.toString()));
    await gateway.subscribeAsync('cw/1/street/checkpoint', { qos: 1 });
    const sent = gateway.publishAsync(frames(), 'in flight', { qos: 1 });
    await until('the frame is taken in', () => broker.framePublishes === 1);
    street.note = Buffer.from('last');
    const stopped = pump.stop();
    open();
    await stopped;
    await sent;
    expect(street.seen).toEqual(['in flight']);
    await until('the last checkpoint arrives', () => checkpoints.includes('last'));
  });

  it('tells how many intervals cannot be booked, as long as that is so', async () => {
    street.heldS = [900, 1_800];
    nowMs += 60_000;
    await until('they are told of', () => pump.heldIntervals.get('street') === 2);
    expect(lines.join()).toContain('2 intervals from 1970-01-01T00:15:00.000Z on are not booked');
    street.heldS = [];
    nowMs += 60_000;
    await until('none is left', () => pump.heldIntervals.get('street') === 0);
  });
});
