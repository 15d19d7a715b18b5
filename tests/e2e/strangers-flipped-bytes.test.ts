/** Somebody on the way changes a byte: the ledger says at which place it stopped believing (PROTOCOL 5.1). */
import { type FramePayload, nobleSha256, toHex } from '@commonwatt/firmware-protocol';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { randomFrame } from '../../firmware-protocol/test/frame-shapes.js';
import { CoOp, type ServedLedger } from './support/co-op.js';
import { type FrameContent, SealedBox, type SealedFrame } from './support/sealed-boxes.js';
import { drawSeed, seededRandom } from './support/seed.js';
import { TempFolder } from './support/temp-folder.js';
import { WireClient } from './support/wire-client.js';

const FRAMES = 20;
const FIRST_BITS = 320;
const ANSWERED_WITHIN_MS = 60_000;
const MALFORMED = 1;
const UNKNOWN_KEY = 2;
const BAD_SIGNATURE = 4;
const BAD_PAYLOAD = 5;
const START_S = Date.UTC(2024, 4, 31) / 1_000;

vi.setConfig({ testTimeout: 2 * ANSWERED_WITHIN_MS });
const seed = drawSeed();
const random = seededRandom(seed);
const folder = new TempFolder('flips');
let coOp: CoOp;
let box: SealedBox;
let ledger: ServedLedger;
let wire: WireClient;
let frames: readonly SealedFrame[];

beforeAll(async () => {
  coOp = await CoOp.begin(folder.at('ledger'), { firstIntervalS: START_S });
  box = await SealedBox.enrol(coOp, 'green-door', random);
  frames = shapes().map((shape) => box.next(shape));
  ledger = await coOp.serve();
  wire = await WireClient.connect(ledger.mqttUrl, coOp);
});

afterAll(async () => {
  await wire?.close();
  await ledger?.program.stop();
  folder.remove();
});

describe(`twenty frames of different shape, over MQTT to a served ledger (seed ${seed})`, () => {
  it('are refused with any byte changed, with the code of its place', async () => {
    const bent = frames.flatMap((frame) =>
      Array.from(frame.message, (byte, at) => bend(frame, at, byte ^ (1 + Math.floor(random() * 255)))),
    );
    expect(await wrongAnswers(bent)).toEqual([]);
  });

  it('are refused with any bit of the first forty bytes changed, with the code of its place', async () => {
    const bent = frames.flatMap((frame) =>
      Array.from({ length: FIRST_BITS }, (_, bit) => {
        const at = bit >> 3;
        return bend(frame, at, frame.message[at]! ^ (1 << (bit & 7)));
      }),
    );
    expect(await wrongAnswers(bent)).toEqual([]);
  });

  it('are malformed when they are cut short or go on behind their end', async () => {
    const bent = frames.flatMap(({ message }) => {
      const cuts = [0, 1, 8, 16, 17, 20, message.length - 65, message.length - 1];
      const longer = [Uint8Array.of(...message, 0), Uint8Array.of(...message, ...message)];
      return [...cuts.map((at) => message.slice(0, at)), ...longer].map((bytes) => expecting(bytes, MALFORMED));
    });
    expect(await wrongAnswers(bent)).toEqual([]);
  });

  it('are as short as a reading and as long as a message may be', () => {
    const lengths = frames.map(({ message }) => message.length);
    expect(Math.min(...lengths)).toBeLessThan(300);
    expect(Math.max(...lengths)).toBeGreaterThan(3_900);
    expect(new Set(lengths).size).toBeGreaterThan(15);
  });

  it('are accepted as they are, and what was bent before has left no trace', async () => {
    await wire.publish(frames);
    await wire.receipts(frames, 10_000);
    const { settlement: _settlements, seal: _seals, ...written } = await ledger.entryCounts();
    expect(written).toEqual({ genesis: 1, party: 2, rules: 1, device: 1, frame: FRAMES });
  });

  it('are refused with the same codes after they were accepted', async () => {
    const bent = frames.flatMap((frame) =>
      Array.from(frame.message, (byte, at) => ({ byte, at }))
        .filter(({ at }) => at % 7 === 3)
        .map(({ byte, at }) => bend(frame, at, byte ^ 0xff)),
    );
    expect(await wrongAnswers(bent)).toEqual([]);
    expect(await ledger.health()).toBe(200);
  });
});

describe('a payload that is wrong under a good signature', () => {
  it.each([
    ['nothing', ''],
    ['no map', '80'],
    ['a map of nothing', 'a0'],
    ['a map that ends early', 'a90101'],
    ['a float where a number belongs', 'a901f93c00'],
    ['a length without an end', 'bf0101ff'],
    ['a depth without an end', '9f9f9f9f9f9f9f9f9f9f'],
    ['a text', '6568656c6c6f'],
  ])('is refused as bad-payload: %s', async (_, hex) => {
    const frame = box.sealBytes(new Uint8Array(Buffer.from(hex, 'hex')));
    await wire.publish([frame]);
    await wire.answered([frame.hash], 5_000);
    expect(wire.codeOf(frame.hash)).toBe(BAD_PAYLOAD);
  });
});

/** Of every size, the shortest reading and one that fills a message nearly to its limit among them. */
function shapes(): readonly FrameContent[] {
  const varied = Array.from({ length: FRAMES - 2 }, () => randomFrame(random));
  const counter = (quantity: 1 | 2 | 3, deltas: readonly number[]) => ({
    ...{ meterIndex: 0, quantity, status: 0, first: BigInt(Math.floor(random() * 1e9)), deltas },
  });
  const short = { step: [], channels: [counter(1, [])] };
  const deltas = Array.from({ length: 255 }, () => 70_000 + Math.floor(random() * 1_000));
  const long = { step: 300, channels: ([1, 2, 3] as const).map((quantity) => counter(quantity, deltas)) };
  return [...varied.map(withoutPlace), short, long].map((shape, at) => ({ ...shape, startS: START_S + at * 900 }));
}

/** Where a frame stands in the chain is the box's business. */
function withoutPlace({ epoch: _epoch, number: _number, previous: _previous, ...shape }: FramePayload) {
  return shape;
}

interface Bent {
  readonly message: Uint8Array;
  readonly hash: string;
  readonly code: number;
  readonly place: string;
}

function bend(frame: SealedFrame, at: number, byte: number): Bent {
  const place = `byte ${at} of ${frame.message.length}`;
  return expecting(frame.message.with(at, byte), codeAt(frame.message, at), place);
}

function expecting(message: Uint8Array, code: number, place = `${message.length} bytes`): Bent {
  return { message, code, place, hash: toHex(nobleSha256.sha256(message)) };
}

/** What stands at a place of a sealed message, by PROTOCOL 1.5 and the message's length alone. */
function codeAt({ length }: Uint8Array, at: number): number {
  const payloadHead = length - 84 < 24 ? 1 : length - 85 < 256 ? 2 : 3;
  const payloadFrom = 17 + payloadHead;
  const signatureHead = length - 66;
  if (at >= 8 && at < 16) return UNKNOWN_KEY;
  if (at >= payloadFrom && at < signatureHead) return BAD_SIGNATURE;
  return at >= signatureHead + 2 ? BAD_SIGNATURE : MALFORMED;
}

/** Sends all and says of each that was not answered as expected where it was bent, and the code that came. */
async function wrongAnswers(bent: readonly Bent[]): Promise<readonly string[]> {
  const { topic } = box;
  await wire.publish(bent.map(({ message }) => ({ topic, message })));
  await wire.answered(
    bent.map(({ hash }) => hash),
    ANSWERED_WITHIN_MS,
  );
  return bent
    .map(({ hash, code, place }) => ({ place, code, got: wire.codeOf(hash) }))
    .filter(({ code, got }) => code !== got)
    .map(({ place, code, got }) => `${place}: expected ${code}, got ${got}`);
}
