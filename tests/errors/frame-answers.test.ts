/** The answers of PROTOCOL 5.1 in their order, to a box on a real MQTT connection of a served ledger. */
import { encodeFramePayload, nobleSigner, parseFramePayload, parseSealed } from '@commonwatt/firmware-protocol';
import { afterAll, beforeAll, describe, onTestFinished } from 'vitest';
import { encodeDeviceRevokedFields } from '../../ledger-service/src/core/records/index.js';
import { isBuilt, NOT_BUILT } from './support/processes.js';
import { producesAnswer } from './support/produces.js';
import { hashOf, SealingBox } from './support/sealing-box.js';
import { ServedLedger } from './support/served-ledger.js';

const DEVICE_REVOKED = 3;

describe.skipIf(!isBuilt)(`a frame over MQTT${NOT_BUILT}`, () => {
  let ledger: ServedLedger;
  beforeAll(async () => {
    ledger = await ServedLedger.start();
  });
  afterAll(() => ledger.stop());

  /** A box of a home that nothing was sent for yet. */
  async function freshBox(): Promise<SealingBox> {
    const box = await SealingBox.connect(ledger);
    onTestFinished(() => box.disconnect());
    return box;
  }

  producesAnswer(0, 'accepted', async () => {
    const box = await freshBox();
    return box.send(box.frame(1, box.opening));
  });
  producesAnswer(1, 'malformed', async () => (await freshBox()).send(Uint8Array.of(1, 2, 3)));
  producesAnswer(2, 'unknown-key', async () => {
    const box = await freshBox();
    const { payload } = parseSealed(box.frame(1, box.opening));
    return box.send(box.seal(payload, 'meter-frame/v1', { signer: nobleSigner(new Uint8Array(32).fill(5)) }));
  });
  producesAnswer(3, 'inactive-key', async () => {
    const box = await freshBox();
    const revocation = encodeDeviceRevokedFields({ number: await ledger.nextNumber(), kid: box.kid });
    const { status, body } = await ledger.submit(DEVICE_REVOKED, ledger.seal(revocation));
    if (status !== 201) throw new Error(`expected 201, got ${JSON.stringify(body)}`);
    return box.send(box.frame(1, box.opening));
  });
  producesAnswer(4, 'bad-signature', async () => {
    const box = await freshBox();
    const { payload } = parseSealed(box.frame(1, box.opening));
    return box.send(box.seal(payload, 'meter-frame/v1', { origin: 'coop.example/rainy' }));
  });
  producesAnswer(5, 'bad-payload', async () => {
    const box = await freshBox();
    return box.send(box.seal(Uint8Array.of(0xa0), 'meter-frame/v1'));
  });
  producesAnswer(6, 'wrong-epoch', async () => {
    const box = await freshBox();
    return box.send(box.frame(1, box.opening, { epoch: 2 }));
  });
  producesAnswer(7, 'fork', async () => {
    const box = await freshBox();
    const first = box.frame(1, box.opening);
    await box.send(first);
    const other = { ...parseFramePayload(parseSealed(first).payload), startS: 1_760_005_800 };
    return box.send(box.seal(encodeFramePayload(other), 'meter-frame/v1'));
  });
  producesAnswer(8, 'replay', async () => {
    const box = await freshBox();
    const first = box.frame(1, box.opening);
    const lost = box.frame(2, hashOf(first));
    const third = box.frame(3, hashOf(lost));
    const codes = [await box.send(first), await box.send(third)];
    codes.push(await box.declareLost(2, hashOf(first), hashOf(lost)));
    if (codes.join() !== '0,9,0') throw new Error(`expected accepted, gap, granted; got ${codes}`);
    return box.send(lost);
  });
  producesAnswer(9, 'gap', async () => {
    const box = await freshBox();
    return box.send(box.frame(2, hashOf(box.frame(1, box.opening))));
  });
});
