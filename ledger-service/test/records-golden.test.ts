import {
  encodeCounterEvent,
  encodeEpochRequest,
  encodeGapRequest,
  nobleVerifier as verifier,
} from '@commonwatt/firmware-protocol';
import { decodeEntry, encodeEntry, KIND, type Kind, leafHash } from '@commonwatt/firmware-protocol/log';
import { describe, expect, it } from 'vitest';
import * as records from '../src/core/records/index.js';
import { fromHex, type GoldenEntry, hasher, readVectors, signerOf, toHex } from './records-helpers.js';

type Seal = 'log-entry/v1' | 'epoch-request/v1' | 'counter-event/v1' | 'gap-request/v1';

interface SignedKind {
  readonly name: string;
  readonly encode: (fields: never) => Uint8Array;
  readonly parse: (payload: Uint8Array) => unknown;
}

// Bytes, salts and signatures of these files were computed by a program in another language that shares no code.
const publicSigned: SignedKind[] = [
  { name: '00-genesis', encode: records.encodeGenesisFields, parse: records.parseGenesis },
  { name: '00-genesis-bare', encode: records.encodeGenesisFields, parse: records.parseGenesis },
  {
    name: '02-device',
    encode: (fields) => records.encodeDeviceFields(hasher, fields),
    parse: (payload) => records.parseDevice(hasher, payload),
  },
  { name: '03-device-revoked', encode: records.encodeDeviceRevokedFields, parse: records.parseDeviceRevoked },
  { name: '04-gateway-epoch', encode: encodeEpochRequest, parse: records.parseEpochRequestPayload },
  { name: '04-gateway-epoch-approved', encode: encodeEpochRequest, parse: records.parseEpochRequestPayload },
  { name: '07-gap-device', encode: encodeGapRequest, parse: records.parseGapRequestPayload },
  { name: '08-rules', encode: records.encodeRulesFields, parse: records.parseRules },
  { name: '08-rules-long', encode: records.encodeRulesFields, parse: records.parseRules },
  { name: '14-witness-policy', encode: records.encodeWitnessPolicyFields, parse: records.parseWitnessPolicy },
  { name: '16-erasure', encode: records.encodeErasureFields, parse: records.parseErasure },
];

const privateSigned: SignedKind[] = [
  { name: '01-party', encode: records.encodePartyFields, parse: records.parseParty },
  { name: '01-party-commons', encode: records.encodePartyFields, parse: records.parseParty },
  { name: '05-counter-event', encode: encodeCounterEvent, parse: records.parseCounterEventPayload },
  {
    name: '05-counter-event-operator',
    encode: records.encodeCounterEventFields,
    parse: records.parseCounterEventPayload,
  },
  { name: '10-transfer', encode: records.encodeTransferFields, parse: records.parseTransfer },
  { name: '11-correction', encode: records.encodeCorrectionFields, parse: records.parseCorrection },
];

const privateUnsigned: SignedKind[] = [
  {
    name: '06-frame',
    encode: ({ receivedS, message }: records.FrameContent) => records.encodeFrameContent(receivedS, message),
    parse: records.parseFrameContent,
  },
  { name: '15-evidence', encode: records.encodeEvidenceContent, parse: records.parseEvidenceContent },
];

function checkMessage(golden: GoldenEntry, { encode, parse }: SignedKind): Uint8Array {
  const { origin } = golden;
  const sealedKind = golden.seal as Seal;
  const signer = signerOf(golden.signerSeed);
  const payload = encode(golden.fields);
  expect(toHex(payload)).toBe(golden.payload);
  expect(parse(payload)).toEqual(golden.fields);
  const message = records.sealEntry({ payload, origin, signer, hasher, sealedKind });
  expect(toHex(message)).toBe(golden.message);
  const opened = records.openSignedEntry({
    message,
    origin,
    publicKey: signer.publicKey,
    hasher,
    verifier,
    sealedKind,
  });
  expect(opened).toEqual(payload);
  return message;
}

function checkLeaf(golden: GoldenEntry, leafData: Uint8Array): void {
  expect(toHex(leafData)).toBe(golden.leafData);
  expect(toHex(leafHash(hasher, leafData))).toBe(golden.leafHash);
  const { kind, version, body } = decodeEntry(leafData);
  expect(kind).toBe(golden.kind);
  expect(encodeEntry(kind, version, body)).toEqual(leafData);
}

function checkPrivate(golden: GoldenEntry, content: Uint8Array): void {
  expect(toHex(content)).toBe(golden.content);
  const kind = golden.kind as Kind;
  const privacyKey = fromHex(golden.privacyKey as string);
  const closed = records.makePrivateEntry(hasher, { privacyKey, kind, index: golden.index as number, content });
  expect(toHex(closed.salt)).toBe(golden.salt);
  checkLeaf(golden, closed.leafData);
  const { commitment } = records.parseLeaf(closed.leafData);
  expect(toHex(commitment!)).toBe(golden.commitment);
  expect(records.opens(hasher, { commitment: commitment!, salt: closed.salt, content })).toBe(true);
}

describe('golden bytes of public signed entries', () => {
  it.each(publicSigned)('$name', (kind) => {
    const golden = readVectors(`entry-${kind.name}`);
    const message = checkMessage(golden, kind);
    if (golden.operatorPayload !== undefined) return;
    const leafData = records.signedEntry(golden.kind as Kind, message);
    checkLeaf(golden, leafData);
    const { body } = records.parseLeaf(leafData);
    expect(records.parseSignedBody(golden.kind as Kind, body!)).toEqual({ message });
  });

  it('04-gateway-epoch-approved holds what device and operator signed', () => {
    const golden = readVectors('entry-04-gateway-epoch-approved');
    const message = fromHex(golden.message as string);
    const approval = golden.operatorFields as records.EpochApproval;
    const payload = records.encodeEpochApprovalFields(approval);
    expect(toHex(payload)).toBe(golden.operatorPayload);
    expect(records.parseEpochApproval(payload)).toEqual(approval);
    expect(toHex(approval.requestHash)).toBe(toHex(hasher.sha256(message)));
    const signer = signerOf(golden.operatorSeed);
    const operatorMessage = records.sealEntry({ payload, origin: golden.origin, signer, hasher });
    expect(toHex(operatorMessage)).toBe(golden.operatorMessage);
    const leafData = records.signedEntry(KIND.gatewayEpoch, message, operatorMessage);
    checkLeaf(golden, leafData);
    const { body } = records.parseLeaf(leafData);
    expect(records.parseSignedBody(KIND.gatewayEpoch, body!)).toEqual({ message, operatorMessage });
  });
});

describe('golden bytes of private signed entries', () => {
  it.each(privateSigned)('$name', (kind) => {
    const golden = readVectors(`entry-${kind.name}`);
    const message = checkMessage(golden, kind);
    const content = records.signedContent(message);
    expect(records.parseSignedContent(content)).toEqual(message);
    checkPrivate(golden, content);
  });
});

describe('golden bytes of private entries that the ledger writes', () => {
  it.each(privateUnsigned)('$name', ({ name, encode, parse }) => {
    const golden = readVectors(`entry-${name}`);
    const content = encode(golden.fields);
    expect(parse(content)).toEqual(golden.fields);
    checkPrivate(golden, content);
  });
});

describe('golden bytes of a gap', () => {
  it('07-gap by the ledger', () => {
    const golden = readVectors('entry-07-gap');
    checkLeaf(golden, records.encodeGap(golden.fields));
    const { body } = records.parseLeaf(fromHex(golden.leafData as string));
    expect(records.parseGap(body!)).toEqual({ by: 'ledger', gap: golden.fields });
  });

  it('07-gap-device by the device', () => {
    const golden = readVectors('entry-07-gap-device');
    const { body } = records.parseLeaf(fromHex(golden.leafData as string));
    expect(records.parseGap(body!)).toEqual({ by: 'device', message: fromHex(golden.message as string) });
  });
});

describe('golden bytes of settlements', () => {
  it.each(['09-settlement', '09-settlement-late', '09-settlement-empty'])('%s', (name) => {
    const golden = readVectors(`entry-${name}`);
    const shell = golden.fields as records.SettlementShell;
    const { startS, version } = shell;
    const lines = golden.lines as records.SettlementLine[];
    const totals = golden.totals as records.SettlementTotals;
    const vector = records.encodeVectorContent({ startS, version, lines: records.lineColumns(lines) });
    expect(toHex(vector)).toBe(golden.vectorContent);
    expect(records.parseVectorContent(vector)).toEqual({ startS, version, lines });
    const sums = records.encodeTotalsContent({ startS, version, totals });
    expect(toHex(sums)).toBe(golden.totalsContent);
    expect(records.parseTotalsContent(sums)).toEqual({ startS, version, totals });

    const privacyKey = fromHex(golden.privacyKey as string);
    const close = (content: Uint8Array) =>
      records.closeContent(hasher, { privacyKey, kind: KIND.settlement, index: golden.index as number, content });
    expect(toHex(close(vector).salt)).toBe(golden.vectorSalt);
    expect(toHex(close(sums).salt)).toBe(golden.totalsSalt);
    const commitments = { vectorCommitment: close(vector).commitment, totalsCommitment: close(sums).commitment };
    const leafData = records.encodeSettlement({ ...shell, ...commitments });
    checkLeaf(golden, leafData);
    expect(records.parseSettlement(records.parseLeaf(leafData).body!)).toEqual(shell);
  });
});

describe('golden bytes of seals', () => {
  it('12-seal and its leaves of kind 13', () => {
    const golden = readVectors('entry-12-seal');
    const leaves = golden.leaves as {
      fields: records.SealLeaf;
      content: string;
      privacyKey: string;
      salt: string;
      leafData: string;
    }[];
    for (const leaf of leaves) {
      const content = records.encodeSealLeafContent(leaf.fields);
      expect(toHex(content)).toBe(leaf.content);
      expect(records.parseSealLeafContent(content)).toEqual(leaf.fields);
    }
    const inputs = leaves.map(({ content, privacyKey }) => ({
      content: fromHex(content),
      privacyKey: fromHex(privacyKey),
    }));
    const tree = records.sealTree(hasher, golden.index as number, inputs);
    expect(tree.leaves.map(({ salt, leafData }) => [toHex(salt), toHex(leafData)])).toEqual(
      leaves.map(({ salt, leafData }) => [salt, leafData]),
    );
    const seal = { number: 1, leafCount: leaves.length, root: tree.root };
    expect(seal).toEqual(golden.fields);
    checkLeaf(golden, records.encodeSeal(seal));
    expect(records.parseSeal(records.encodeSealBody(seal))).toEqual(seal);
  });

  it('12-seal-next names the one before', () => {
    const golden = readVectors('entry-12-seal-next');
    const { root } = records.sealTree(hasher, 120, []);
    checkLeaf(golden, records.encodeSeal({ number: 2, previousIndex: 96, leafCount: 0, root }));
    expect(records.parseSeal(records.encodeSealBody(golden.fields))).toEqual(golden.fields);
  });
});

describe('golden hashes that never enter the log', () => {
  const golden = readVectors('log-roots');

  it('of ties', () => {
    for (const { unit, hash } of golden.ties as { unit: Parameters<typeof records.tieHash>[1]; hash: string }[]) {
      expect(toHex(records.tieHash(hasher, unit))).toBe(hash);
    }
  });

  it('of balances, in any order, without those that are zero', () => {
    const balances = golden.balances as records.AccountBalance[];
    expect(toHex(records.balancesRoot(hasher, balances))).toBe(golden.balancesRoot);
    expect(toHex(records.balancesRoot(hasher, balances.toReversed()))).toBe(golden.balancesRoot);
    expect(toHex(hasher.sha256(fromHex(golden.balancesBytes as string)))).toBe(golden.balancesRoot);
    expect(toHex(records.balancesRoot(hasher, []))).toBe(golden.emptyRoot);
  });
});
