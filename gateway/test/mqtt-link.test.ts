import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MqttLink } from '../src/adapters/mqtt-link.js';
import { systemTimers } from '../src/adapters/system/system-clock.js';
import { FakeLedger } from './support/fake-ledger.js';
import { RealBroker, until } from './support/real-broker.js';

let broker: RealBroker;
let link: MqttLink;
let heard: string[];
let ready: number;
let lost: string[];

beforeEach(async () => {
  broker = await new RealBroker(new FakeLedger()).start();
  broker.hears = () => false;
  heard = [];
  ready = 0;
  lost = [];
  link = makeLink(broker.url);
});

afterEach(async () => {
  await link.stop();
  await broker.stop();
});

function makeLink(url: string): MqttLink {
  return new MqttLink({
    url,
    clientId: 'cw-0011223344556677',
    login: {},
    answerTopic: 'cw/1/c/g/answer',
    frameTopic: 'cw/1/c/g/frame',
    will: { topic: 'cw/1/c/g/status', payload: Buffer.from('gone'), qos: 1, retain: true },
    timers: systemTimers,
  });
}

function start(): void {
  link.start({
    onReady: () => ready++,
    onLost: (reason) => lost.push(reason),
    onMessage: (topic, payload) => heard.push(`${topic} ${Buffer.from(payload).toString()}`),
  });
}

const frame = (text: string) => ({ topic: 'cw/1/c/g/frame', payload: Buffer.from(text), qos: 1 as const });

describe('the way to the broker', () => {
  it('is ready when its subscription stands: what is published then can be answered', async () => {
    start();
    await until(() => ready === 1, 'ready');
    broker.say('cw/1/c/g/answer', Buffer.from('yes'));
    await until(() => heard.length === 1, 'an answer');
    expect(heard).toEqual(['cw/1/c/g/answer yes']);
  });

  it('keeps nothing while it is not connected', () => {
    expect(link.publish(frame('a'))).toBe(false);
    start();
    expect(link.publish(frame('a'))).toBe(false);
    expect(link.framesPublished).toBe(0);
  });

  it('comes back by itself and repeats nothing that was not acknowledged', async () => {
    start();
    await until(() => ready === 1, 'ready');
    expect(link.publish(frame('a'))).toBe(true);
    for (const socket of broker.sockets) socket.destroy();
    await until(() => ready === 2, 'ready again');
    expect(lost).toHaveLength(1);
    expect(link.publish(frame('b'))).toBe(true);
    await until(() => broker.published.some(({ payload }) => payload.toString() === 'b'), 'the second frame');
    const said = broker.published
      .filter(({ topic }) => topic.endsWith('frame'))
      .map(({ payload }) => payload.toString());
    // The first may have been cut off with the connection; it is never sent twice.
    expect(said.filter((text) => text === 'a').length).toBeLessThanOrEqual(1);
    expect(link.framesPublished).toBe(2);
  });

  it('waits for a broker that is not there', async () => {
    const { port } = broker;
    await broker.stop();
    start();
    await until(() => lost.length > 0, 'the loss');
    expect(lost[0]).toMatch(/cannot be reached: .*ECONNREFUSED/);
    await broker.start(port);
    await until(() => ready === 1, 'ready');
  });

  it('has the broker say that it is gone, and says so itself when it stops', async () => {
    start();
    await until(() => ready === 1, 'ready');
    await link.stop({ topic: 'cw/1/c/g/status', payload: Buffer.from('bye'), qos: 1, retain: true });
    expect(broker.published.at(-1)).toMatchObject({ topic: 'cw/1/c/g/status', retain: true, qos: 1 });
    expect(broker.published.at(-1)!.payload.toString()).toBe('bye');
  });

  it('stops in time when the broker does not answer', async () => {
    start();
    await until(() => ready === 1, 'ready');
    for (const socket of broker.sockets) socket.pause();
    const startedMs = performance.now();
    await link.stop(frame('bye'));
    expect(performance.now() - startedMs).toBeLessThan(1900);
  });

  it('ends its connection though a connection before was lost with something unacknowledged', async () => {
    start();
    await until(() => ready === 1, 'ready');
    for (const socket of broker.sockets) socket.pause();
    expect(link.publish(frame('a'))).toBe(true);
    for (const socket of broker.sockets) socket.destroy();
    await until(() => ready === 2, 'ready again');
    await link.stop({ topic: 'cw/1/c/g/status', payload: Buffer.from('bye'), qos: 1, retain: true });
    await until(() => broker.sockets.size === 0, 'the end of the connection', 2_000);
    expect(broker.published.at(-1)!.payload.toString()).toBe('bye');
  });
});
