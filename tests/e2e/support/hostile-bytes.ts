/** What strangers send to a port: garbage, broken packets, packets that lie about their length. */
import { connect } from 'node:net';
import { connectPacket, packet, publishPacket, subscribePacket } from './mqtt-packets.js';
import { seededBytes } from './seed.js';

type Random = () => number;

const FIVE_MEGABYTES = 5 * 1024 * 1024;
/** Longest that a stranger waits for an answer or to be shown out. */
const STAY_MS = 400;
const AT_ONCE = 24;

/** Sends each to the port on a connection of its own, many at once; resolves when all are gone. */
export async function sendAll(port: number, messages: readonly Uint8Array[]): Promise<void> {
  const queue = [...messages];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await sendRaw(port, next);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** Connects, sends, and leaves when shown out or after a while. Resolves with what came back; rejects when nobody listens. */
export function sendRaw(port: number, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const heard: Buffer[] = [];
    const socket = connect(port, '127.0.0.1');
    let wasThere = false;
    const timer = setTimeout(() => socket.destroy(), STAY_MS);
    socket.on('connect', () => {
      wasThere = true;
      socket.write(bytes);
    });
    socket.on('data', (chunk) => heard.push(chunk));
    socket.on('end', () => socket.end());
    socket.on('error', (error) => {
      if (!wasThere) reject(error);
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(heard));
    });
  });
}

export function hostileMqtt(random: Random, { community, home }: { community: string; home: string }): Uint8Array[] {
  const hello = connectPacket(`stranger-${Math.floor(random() * 1e9)}`);
  const frameTopic = `cw/1/${community}/${home}/frame`;
  const huge = new Uint8Array(FIVE_MEGABYTES).fill(0x9f);
  const behindHello = [
    publishPacket({ topic: frameTopic, payload: huge, qos: 1 }),
    publishPacket({ topic: `cw/1/${community}/${home}/live`, payload: new Uint8Array(60_000) }),
    publishPacket({ topic: 'x'.repeat(60_000), payload: new Uint8Array(1) }),
    publishPacket({ topic: `${frameTopic}/#`, payload: new Uint8Array(1) }),
    publishPacket({ topic: '', payload: new Uint8Array(1) }),
    publishPacket({ topic: 'cw/1/\u0000/x/frame', payload: new Uint8Array(1) }),
    publishPacket({ topic: '$SYS/broker/clients', payload: new Uint8Array(1), retain: true }),
    subscribePacket(['#', '+/#', '$SYS/#', 'cw/1/+/+/frame']),
    subscribePacket(Array.from({ length: 3_000 }, (_, at) => `cw/1/${community}/h${at}/answer`)),
    subscribePacket(['x'.repeat(65_000)]),
    subscribePacket([]),
    subscribePacket(['cw/#/frame', 'a+b', '##']),
    hello,
    packet(0x36, Buffer.from([0, 1, 0x61, 0, 1])),
    packet(0x34, Buffer.concat([Buffer.from([0, 4]), Buffer.from('cw/1'), Buffer.from([0, 1])])),
    packet(0x40, Buffer.from([0xff, 0xff])),
    packet(0x50, Buffer.from([0, 7])),
    packet(0x62, Buffer.from([0, 7])),
    packet(0x70, Buffer.from([0, 7])),
    packet(0x30, Buffer.from([0xff, 0xff, 0x61])),
    packet(0xf0, Buffer.alloc(2)),
    Buffer.of(0x30, 0xff, 0xff, 0xff, 0x7f),
    Buffer.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x7f),
    Buffer.of(0xc0, 0x01),
    seededBytes(5_000, random),
  ];
  const alone = [
    Buffer.alloc(0),
    Buffer.of(0x10),
    Buffer.of(0x10, 0x80),
    packet(0x10, Buffer.from([0, 4, ...Buffer.from('MQTT'), 99, 2, 0, 0, 0, 0])),
    packet(0x10, Buffer.from([0, 4, ...Buffer.from('MQTT'), 4, 0xff, 0, 0, 0xff, 0xff])),
    connectPacket('x'.repeat(40_000)),
    connectPacket('').subarray(0, 9),
    publishPacket({ topic: frameTopic, payload: seededBytes(200, random) }),
    Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    Buffer.from('\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003', 'latin1'),
    ...Array.from({ length: 60 }, () => seededBytes(1 + Math.floor(random() * 600), random)),
  ];
  const bent = Array.from({ length: 60 }, () => {
    const good = Buffer.concat([hello, publishPacket({ topic: frameTopic, payload: seededBytes(80, random), qos: 1 })]);
    for (let times = 0; times < 3; times++) good[Math.floor(random() * good.length)] = Math.floor(random() * 256);
    return good;
  });
  return [...behindHello.map((bytes) => Buffer.concat([hello, bytes])), ...alone, ...bent];
}

export function hostileHttp(random: Random, community: string): Uint8Array[] {
  const host = 'Host: 127.0.0.1\r\n';
  const entries = `POST /v1/communities/${community}/entries HTTP/1.1\r\n${host}`;
  const json = 'Content-Type: application/json\r\n';
  const texts = [
    'GET / HTTP/9.9\r\n\r\n',
    'GET /\r\n\r\n',
    'BREW /coffee HTTP/1.1\r\n\r\n',
    `GET /${'a'.repeat(100_000)} HTTP/1.1\r\n${host}\r\n`,
    `GET /health HTTP/1.1\r\n${host}X: ${'y'.repeat(100_000)}\r\n\r\n`,
    `GET /health HTTP/1.1\r\n${Array.from({ length: 5_000 }, (_, at) => `H${at}: 1\r\n`).join('')}\r\n`,
    `GET /v1/communities/%00/balances HTTP/1.1\r\n${host}\r\n`,
    `GET /v1/communities/../../../etc/passwd HTTP/1.1\r\n${host}\r\n`,
    `GET /docs/%2e%2e/%2e%2e/%2e%2e/package.json HTTP/1.1\r\n${host}\r\n`,
    `GET /v1/communities/${community}/log/entries?from=-1&limit=1e99 HTTP/1.1\r\n${host}\r\n`,
    `GET /v1/communities/${community}/log/entries/99999999999999999999 HTTP/1.1\r\n${host}\r\n`,
    `GET /v1/communities/${community}/balances?asOf[]=1&asOf[]=2&__proto__[x]=1 HTTP/1.1\r\n${host}\r\n`,
    `GET /v1/communities/__proto__/balances HTTP/1.1\r\n${host}\r\n`,
    `GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n`,
    `${entries}${json}Content-Length: 2\r\n\r\n{}`,
    `${entries}${json}Authorization: Bearer guess\r\nContent-Length: 12\r\n\r\n{"entries":[`,
    `${entries}${json}Content-Length: -5\r\n\r\n`,
    `${entries}${json}Content-Length: 99999999999\r\n\r\n`,
    `${entries}${json}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nzz\r\n`,
    `${entries}${json}Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n`,
    `${entries}${json}Expect: 100-continue\r\nContent-Length: 10\r\n\r\n`,
    `${entries}${json}Content-Length: ${FIVE_MEGABYTES}\r\n\r\n${'['.repeat(FIVE_MEGABYTES)}`,
    `GET /health HTTP/1.1\r\n${host}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
    `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
  ];
  const garbage = Array.from({ length: 60 }, () => seededBytes(1 + Math.floor(random() * 2_000), random));
  return [...texts.map((text) => Buffer.from(text, 'latin1')), ...garbage];
}

export function hostileModbus(random: Random, unit: number): Uint8Array[] {
  const request = (pdu: readonly number[], { length = pdu.length + 1, protocol = 0 } = {}) =>
    Buffer.from([0, 1, protocol >> 8, protocol & 0xff, length >> 8, length & 0xff, unit, ...pdu]);
  const bent = [
    request([4, 0, 0, 0, 0]),
    request([4, 0xff, 0xff, 0xff, 0xff]),
    request([3, 0, 0, 0, 125], { length: 0 }),
    request([4, 0, 0, 0, 2], { length: 0xffff }),
    request([4, 0, 0, 0, 2], { protocol: 7 }),
    request([4]),
    request([]),
    request([0x10, 0, 0, 0, 2, 4, 1, 2, 3, 4]),
    request([0x2b, 0x0e, 1, 0]),
    request([0x84, 2]),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    new Uint8Array(FIVE_MEGABYTES),
  ];
  return [...bent, ...Array.from({ length: 25 }, () => seededBytes(1 + Math.floor(random() * 400), random))];
}
