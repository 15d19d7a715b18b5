/**
 * Strangers at the MQTT port: any number of hostile packets from a seed, over bare sockets. Malformed, oversized, on topics that
 * are not theirs, and out of turn in sessions that are not what they say.
 */
import { connect } from 'node:net';
import { packet } from './mqtt-packets.js';
import { seededBytes, seededRandom } from './seed.js';

export interface HostileMqttOptions {
  readonly port: number;
  readonly community: string;
  /** A home that is enrolled; its client name and its topics are abused too. */
  readonly home: string;
  readonly packets: number;
  /** The same seed gives the same packets. */
  readonly seed: number;
}

export interface HostileMqttReport {
  /** Packets by kind. */
  readonly packets: Readonly<Record<string, number>>;
  readonly connections: number;
  /** Connections that nobody accepted, or that nobody ended when we were done; at most ten of them. Empty when all went well. */
  readonly failures: readonly string[];
}

type Random = () => number;
type Kind = keyof typeof KINDS;

const AT_ONCE = 24;
const MAX_PACKETS_A_CONNECTION = 12;
const GONE_WITHIN_MS = 15_000;
const MAX_FAILURES = 10;
const CLEAN = 0x02;

/** Sends them all; resolves with what was sent and what went wrong. */
export async function hostileMqtt(options: HostileMqttOptions): Promise<HostileMqttReport> {
  const random = seededRandom(options.seed);
  const packets: Record<string, number> = {};
  const failures: string[] = [];
  let sent = 0;
  let connections = 0;
  const worker = async (): Promise<void> => {
    while (sent < options.packets) {
      const speech = draw(random, options, options.packets - sent);
      sent += speech.kinds.length;
      connections += 1;
      for (const kind of speech.kinds) packets[kind] = (packets[kind] ?? 0) + 1;
      const failure = await say(options.port, speech.bytes);
      if (failure !== undefined && failures.length < MAX_FAILURES)
        failures.push(`${failure}: ${speech.kinds.join(', ')}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { packets, connections, failures };
}

/** What one connection says: mostly behind a greeting that is in order, so that it is heard. */
function draw(random: Random, who: HostileMqttOptions, atMost: number): { kinds: Kind[]; bytes: Buffer } {
  const count = Math.min(atMost, 1 + Math.floor(random() * MAX_PACKETS_A_CONNECTION));
  const names = Object.keys(KINDS) as Kind[];
  const kinds = Array.from({ length: count }, () => oneOf(random, names));
  const greeting = random() < 0.9 ? [hello(random, who, CLEAN)] : [];
  return { kinds, bytes: Buffer.concat([...greeting, ...kinds.map((kind) => KINDS[kind](random, who))]) };
}

const KINDS = {
  malformed(random: Random, who: HostileMqttOptions): Buffer {
    const good = oneOf(random, [
      publish(random, ownTopic(random, who)),
      hello(random, who, CLEAN),
      subscribe(random, ['#']),
    ]);
    const bent = Buffer.from(good);
    for (let times = 0; times < 3; times += 1) bent[Math.floor(random() * bent.length)] = Math.floor(random() * 256);
    return oneOf(random, [
      bent,
      good.subarray(0, Math.floor(random() * good.length)),
      Buffer.from(seededBytes(1 + Math.floor(random() * 300), random)),
      packet(Math.floor(random() * 256), seededBytes(Math.floor(random() * 8), random)),
      packet(0x30 | Math.floor(random() * 16), Buffer.from([0xff, 0xff, 0x61])),
      packet(0x82, Buffer.from([0, 1])),
      Buffer.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x7f),
      publish(random, 'cw/1/\u0000/x/frame'),
      publish(random, ''),
    ]);
  },

  oversized(random: Random, who: HostileMqttOptions): Buffer {
    const size = oneOf(random, [4_097, 60_000, 65_535, 65_537, 70_000]);
    return oneOf(random, [
      publish(random, ownTopic(random, who), Buffer.alloc(size, 0x9f)),
      publish(random, 'x'.repeat(60_000)),
      hello(random, { ...who, home: 'x'.repeat(Math.min(size, 65_000)) }, CLEAN),
      subscribe(
        random,
        Array.from({ length: 300 }, (_, at) => `cw/1/${who.community}/h${at}/answer`),
      ),
      // Claims what it does not send.
      Buffer.of(0x30, 0xff, 0xff, 0xff, 0x7f),
    ]);
  },

  'foreign topic'(random: Random, { community, home }: HostileMqttOptions): Buffer {
    const topic = oneOf(random, [
      ...[`cw/1/${community}/${home}/answer`, `cw/1/${community}/checkpoint`, `cw/1/${community}/${home}/witness/x`],
      ...['cw/1/elsewhere/h1/frame', `cw/1/${community}/nobody-${Math.floor(random() * 1e6)}/frame`],
      ...['$SYS/broker/clients', 'cw/2/a/b/frame', 'a/b/c', '#', 'cw/1/+/+/frame', '__proto__', '/'],
    ]);
    return random() < 0.7 ? publish(random, topic) : subscribe(random, [topic, `${topic}/#`, '+/#']);
  },

  'wrong session'(random: Random, who: HostileMqttOptions): Buffer {
    const id = Math.floor(random() * 8);
    return oneOf(random, [
      // A second greeting; one that takes the box's name; one that wants a session kept, of a protocol that there is not.
      hello(random, who, CLEAN),
      hello(random, who, 0, who.home),
      hello(random, who, CLEAN, who.home),
      hello(random, who, Math.floor(random() * 256) & ~0xc4),
      packet(0x10, Buffer.concat([text('MQTT'), Buffer.of(oneOf(random, [0, 3, 5, 99]), CLEAN, 0, 9), text('other')])),
      // Acknowledgements of what was never sent, second halves without first ones, first halves without second ones.
      packet(0x40, Buffer.of(0, id)),
      packet(0x50, Buffer.of(0, id)),
      packet(0x62, Buffer.of(0, id)),
      packet(0x70, Buffer.of(0, id)),
      packet(0x34, Buffer.concat([text(ownTopic(random, who)), Buffer.of(0, id), seededBytes(20, random)])),
      // What only a broker says; and good-bye in the middle.
      packet(0x20, Buffer.of(0, 0)),
      packet(0x90, Buffer.of(0, 1, 0)),
      packet(0xd0, Buffer.alloc(0)),
      packet(0xe0, Buffer.alloc(0)),
      packet(0xa2, Buffer.concat([Buffer.of(0, id), text('never/subscribed')])),
    ]);
  },
} as const satisfies Record<string, (random: Random, who: HostileMqttOptions) => Buffer>;

function ownTopic(random: Random, { community, home }: HostileMqttOptions): string {
  return `cw/1/${community}/${home}/${oneOf(random, ['frame', 'event', 'status', 'live'])}`;
}

function hello(random: Random, _: HostileMqttOptions, flags: number, name?: string): Buffer {
  const id = name ?? `stranger-${Math.floor(random() * 1e9)}`;
  return packet(0x10, Buffer.concat([text('MQTT'), Buffer.of(4, flags, 0, 60), text(id)]));
}

function publish(random: Random, topic: string, payload = seededBytes(Math.floor(random() * 200), random)): Buffer {
  const isRetained = random() < 0.3 ? 1 : 0;
  const isAsked = random() < 0.5;
  const id = isAsked ? [Buffer.of(0, 1 + Math.floor(random() * 5))] : [];
  return packet(0x30 | (isAsked ? 2 : 0) | isRetained, Buffer.concat([text(topic), ...id, payload]));
}

function subscribe(random: Random, filters: readonly string[]): Buffer {
  const body = filters.flatMap((filter) => [text(filter), Buffer.of(Math.floor(random() * 4))]);
  return packet(0x82, Buffer.concat([Buffer.of(0, 2), ...body]));
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}

function oneOf<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T;
}

/** Says it all and hangs up our side. What went wrong, or undefined when the other side has hung up too. */
function say(port: number, bytes: Buffer): Promise<string | undefined> {
  return new Promise((resolve) => {
    let wasThere = false;
    const socket = connect(port, '127.0.0.1', () => {
      wasThere = true;
      socket.end(bytes);
    });
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(`not let go within ${GONE_WITHIN_MS} ms`);
    }, GONE_WITHIN_MS);
    socket.resume();
    socket.on('error', () => {
      if (!wasThere) resolve('nobody listens');
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}
