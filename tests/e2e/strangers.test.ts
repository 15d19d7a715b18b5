/** Strangers at every door: what they send stops nothing, changes nothing, and keeps nobody else waiting for long. */
import { readFileSync } from 'node:fs';
import modbusSerial from 'modbus-serial';
import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CoOp, type MemberBalance, type ServedLedger } from './support/co-op.js';
import { hostileHttp, hostileModbus, hostileMqtt, sendAll, sendRaw } from './support/hostile-bytes.js';
import { type HostileMessage, hostileMessages } from './support/hostile-frames.js';
import { hostileMqtt as hostileMqttPackets } from './support/hostile-mqtt.js';
import { connectPacket, publishPacket } from './support/mqtt-packets.js';
import { Program } from './support/program.js';
import { SealedBox, type SealedFrame } from './support/sealed-boxes.js';
import { drawSeed, seededRandom } from './support/seed.js';
import { TempFolder } from './support/temp-folder.js';
import { until } from './support/until.js';
import { WireClient } from './support/wire-client.js';

const START_S = Date.UTC(2024, 5, 21) / 1_000;
const INTERVAL_S = 900;
const HOSTILE_FRAMES = 10_000;
const HOSTILE_PACKETS = 10_000;
const HEALTH_EVERY_MS = 50;
/** An honest frame in the middle of it all has its receipt within this. */
const RECEIPT_WITHIN_MS = 10_000;
const SETTLED_WITHIN_MS = 30_000;
/** What all of this may cost the ledger's process in memory. */
const MAX_GROWTH_MB = 400;
/** And 10,000 hostile packets, when the heap has its size already. */
const MAX_FLOOD_GROWTH_MB = 100;

vi.setConfig({ testTimeout: 120_000 });
const seed = drawSeed();
const random = seededRandom(seed);

describe(`a served ledger among strangers (seed ${seed})`, () => {
  const folder = new TempFolder('strangers');
  let coOp: CoOp;
  let ledger: ServedLedger;
  let wire: WireClient;
  let boxes: readonly SealedBox[];
  let health: HealthWatch;
  let before: readonly MemberBalance[];
  let memoryBeforeMb: number;

  beforeAll(async () => {
    coOp = await CoOp.begin(folder.at('ledger'), { firstIntervalS: START_S });
    boxes = [await SealedBox.enrol(coOp, 'sunny-side', random), await SealedBox.enrol(coOp, 'shady-side', random)];
    ledger = await coOp.serve();
    wire = await WireClient.connect(ledger.mqttUrl, coOp);
    const morning = [edge(boxes, 0), edge(boxes, 1), edge(boxes, 2)].flat();
    await wire.publish(morning);
    await wire.receipts(morning, 10_000);
    before = await settled();
    memoryBeforeMb = ledgerMb();
    health = new HealthWatch(ledger);
  });

  afterAll(async () => {
    await health?.stop();
    await wire?.close();
    await ledger?.program.stop();
    folder.remove();
  });

  it('stands random bytes, broken packets and 5 MB at the MQTT port', async () => {
    const where = { community: coOp.community, home: boxes[0]!.home };
    await sendAll(ledger.mqttPort, hostileMqtt(random, where));
    await stillWorks();
  });

  it('stands random bytes, broken requests and 5 MB at the HTTP port', async () => {
    await sendAll(ledger.httpPort, hostileHttp(random, coOp.community));
    await stillWorks();
  });

  it(`stands ${HOSTILE_PACKETS} packets that are malformed, oversized, on foreign topics or of wrong sessions`, async () => {
    const who = { port: ledger.mqttPort, community: coOp.community, home: boxes[0]!.home };
    // The first thousand fill caches and load code; what all the others leave is a leak.
    await hostileMqttPackets({ ...who, packets: 1_000, seed: seed + 1 });
    const before = ledgerMb();
    let isOver = false;
    const flood = hostileMqttPackets({ ...who, packets: HOSTILE_PACKETS, seed }).finally(() => {
      isOver = true;
    });
    while (!isOver) await stillWorks();
    const { packets, failures } = await flood;
    expect(failures).toEqual([]);
    expect(Object.keys(packets).sort()).toEqual(['foreign topic', 'malformed', 'oversized', 'wrong session']);
    expect(Object.values(packets).reduce((sum, count) => sum + count, 0)).toBe(HOSTILE_PACKETS);
    expect(ledgerMb() - before).toBeLessThan(MAX_FLOOD_GROWTH_MB);
  });

  it('lets nobody speak for the ledger: forged answers and checkpoints reach no one', async () => {
    const heard: string[] = [];
    const neighbour = await mqtt.connectAsync(ledger.mqttUrl, { protocolVersion: 4 });
    neighbour.on('message', (topic, payload) => heard.push(`${topic} ${payload.toString('latin1')}`));
    await neighbour.subscribeAsync(['cw/1/+/+/answer', 'cw/1/+/checkpoint', 'cw/1/+/+/status'], { qos: 1 });
    const own = ['answer', 'checkpoint', 'settings'].map((leaf) => `cw/1/${coOp.community}/${boxes[0]!.home}/${leaf}`);
    const topics = [...own, `cw/1/${coOp.community}/checkpoint`, 'cw/1/nowhere/checkpoint', 'cw/2/a/b/frame', 'a/b/c'];
    for (const topic of topics) {
      for (const retain of [false, true]) {
        const forged = publishPacket({ topic, payload: Buffer.from('forged'), qos: 1, retain });
        await sendRaw(ledger.mqttPort, Buffer.concat([connectPacket('forger'), forged]));
      }
      await sendRaw(ledger.mqttPort, connectPacket('forger', { topic, payload: Buffer.from('forged as a last will') }));
    }
    // What a box may say as its last will is heard, so the others were not just late.
    const lastWill = { topic: `cw/1/${coOp.community}/${boxes[0]!.home}/status`, payload: Buffer.from('gone') };
    await sendRaw(ledger.mqttPort, connectPacket('box', lastWill));
    await until('the last will of a box', 5_000, () => heard.includes(`${lastWill.topic} gone`));
    await stillWorks();
    await neighbour.endAsync();
    expect(heard.filter((message) => message.includes('forged'))).toEqual([]);
    const late = await mqtt.connectAsync(ledger.mqttUrl, { protocolVersion: 4 });
    late.on('message', (topic, payload) => heard.push(`${topic} ${payload.toString('latin1')}`));
    await late.subscribeAsync('#', { qos: 1 });
    await stillWorks();
    await late.endAsync();
    expect(heard.filter((message) => message.includes('forged'))).toEqual([]);
  });

  it(`answers honest frames in the middle of ${HOSTILE_FRAMES} hostile ones`, async () => {
    const target = { community: coOp.community, box: boxes[0]!, frames: boxes.map((box) => box.draft(START_S)) };
    const flood = flooding(ledger, hostileMessages(HOSTILE_FRAMES, random, target));
    let honest = 0;
    while (!flood.isOver()) {
      await stillWorks();
      honest += 1;
    }
    expect(await flood.acknowledged).toBe(HOSTILE_FRAMES);
    expect(honest).toBeGreaterThan(0);
  });

  it('was healthy all the time, and has kept within its memory', async () => {
    await health.stop();
    expect(health.answers.length).toBeGreaterThan(20);
    expect(health.answers.filter((status) => status !== 200)).toEqual([]);
    expect(ledgerMb() - memoryBeforeMb).toBeLessThan(MAX_GROWTH_MB);
    expect(ledger.program.isAlive).toBe(true);
  });

  it('has written down nothing of theirs: the balances are those of before, and fold to the same anew', async () => {
    expect(before.some(({ credits }) => credits !== '0.000000')).toBe(true);
    expect(await coOp.balances()).toEqual(before);
    const counts = await ledger.entryCounts();
    expect(Object.keys(counts).sort()).toEqual(expect.not.arrayContaining(['evidence', 'gap', 'gatewayEpoch']));
    await wire.close();
    expect(await ledger.program.stop()).toBe(0);
    expect(await coOp.rebuild()).toMatchObject({ equal: true });
  });

  /** Both boxes send one more frame, of the same instant as their newest, so that no balance moves. */
  async function stillWorks(): Promise<void> {
    const frames = boxes.map((box) => box.next({ ...newest.get(box)! }));
    await wire.publish(frames);
    await wire.receipts(frames, RECEIPT_WITHIN_MS);
  }

  async function settled(): Promise<readonly MemberBalance[]> {
    await until('both intervals settled by measured edges', SETTLED_WITHIN_MS, async () => {
      const [first, second] = [await ledger.settlement(START_S), await ledger.settlement(START_S + INTERVAL_S)];
      return [first, second].every((one) => one?.lines.every(({ quality }) => quality === 'measured'));
    });
    return coOp.balances();
  }

  /** Resident memory of the ledger's process in MB; 0 where the system does not tell. */
  function ledgerMb(): number {
    try {
      const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${ledger.program.pid}/status`, 'utf8'));
      return Number(match?.[1] ?? 0) / 1024;
    } catch {
      return 0;
    }
  }
});

describe(`simulated meters among strangers (seed ${seed})`, () => {
  const sim = new Program('commonwatt-sim', ['--lines']);
  let devices: readonly Device[];

  beforeAll(async () => {
    const { homes } = await sim.ask('street', { count: 3, seed: 1 });
    devices = (homes as readonly { devices: readonly Device[] }[]).flatMap((home) => home.devices);
    await sim.ask('now', { t_ms: START_S * 1_000 });
  });

  afterAll(() => sim.stop());

  it('stand random bytes, broken frames and 5 MB at each Modbus port, and are read as before', async () => {
    const registers = async () => Promise.all(devices.map(readRegisters));
    const calm = await registers();
    for (const { port, unit } of devices) await sendAll(port, hostileModbus(random, unit));
    expect(await registers()).toEqual(calm);
    expect(await sim.ask('stats')).toMatchObject({ t_ms: START_S * 1_000 });
    expect(sim.isAlive).toBe(true);
  });
});

interface Device {
  readonly profile: string;
  readonly port: number;
  readonly unit: number;
}

async function readRegisters({ profile, port, unit }: Device): Promise<readonly number[]> {
  const client = new modbusSerial.default();
  try {
    await client.connectTCP('127.0.0.1', { port });
    client.setID(unit);
    client.setTimeout(2_000);
    const isSunSpec = profile.startsWith('sunspec');
    const answer = isSunSpec ? client.readHoldingRegisters(40_000, 4) : client.readInputRegisters(0, 4);
    return (await answer).data;
  } finally {
    await new Promise<void>((resolve) => client.close(() => resolve()));
  }
}

const newest = new WeakMap<SealedBox, Parameters<SealedBox['next']>[0]>();

/** One frame of each box at one edge: the first exports, the second imports. */
function edge(boxes: readonly SealedBox[], at: number): SealedFrame[] {
  return boxes.map((box, home) => {
    const channel = (quantity: 1 | 2, mwh: number) => ({
      ...{ meterIndex: 0, quantity, status: 0, first: BigInt(mwh), deltas: [] },
    });
    const sold = home === 0 ? at * 300_000 : 0;
    const content = {
      startS: START_S + at * INTERVAL_S,
      step: [],
      channels: [channel(1, 1_000_000 + at * 100_000), channel(2, sold)],
    };
    newest.set(box, content);
    return box.next(content);
  });
}

/** Publishes all in the background, half of them without asking for an acknowledgement. */
function flooding(ledger: ServedLedger, messages: readonly HostileMessage[]) {
  let isOver = false;
  const work = async () => {
    const client = await mqtt.connectAsync(ledger.mqttUrl, { protocolVersion: 4, reconnectPeriod: 50 });
    let acknowledged = 0;
    for (let from = 0; from < messages.length; from += 100) {
      const some = messages.slice(from, from + 100);
      const sent = some.map(({ topic, message }, at) =>
        client.publishAsync(topic, Buffer.from(message), { qos: at % 2 === 0 ? 1 : 0 }),
      );
      acknowledged += (await Promise.all(sent)).length;
    }
    await client.endAsync();
    return acknowledged;
  };
  const acknowledged = work().finally(() => {
    isOver = true;
  });
  acknowledged.catch(() => undefined);
  return { acknowledged, isOver: () => isOver };
}

/** Asks for /health again and again, one request at a time. */
class HealthWatch {
  readonly answers: number[] = [];
  #isStopped = false;
  readonly #watching: Promise<void>;

  constructor(ledger: ServedLedger) {
    this.#watching = this.#watch(ledger);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#watching;
  }

  async #watch(ledger: ServedLedger): Promise<void> {
    while (!this.#isStopped) {
      this.answers.push(await ledger.health().catch(() => 0));
      await new Promise((resolve) => setTimeout(resolve, HEALTH_EVERY_MS));
    }
  }
}
