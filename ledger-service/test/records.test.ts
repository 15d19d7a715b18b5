import { type CborValue, cborMap, encodeCbor } from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as records from '../src/core/records/index.js';
import { bytes, refusal } from './records-helpers.js';

describe('a settlement', () => {
  const shell: records.SettlementShell = {
    startS: 900,
    version: 1,
    reason: 1,
    rulesIndex: 3,
    vectorCommitment: bytes(32),
    totalsCommitment: bytes(32),
    final: true,
  };
  const second = { ...shell, version: 2, reason: 3, previousIndex: 7 } as const;

  it.each<[string, records.SettlementShell]>([
    ['complete as version 2', { ...second, reason: 1 }],
    ['complete and not final', { ...shell, final: false }],
    ['grace as version 1', { ...shell, reason: 6 }],
    ['grace and not final', { ...second, reason: 6, final: false }],
    ['a version before version 1', { ...shell, previousIndex: 2 }],
    ['version 2 without the one before', { ...shell, version: 2, reason: 3 }],
    ['version 0', { ...shell, version: 0 }],
    ['a start that is none', { ...shell, startS: 901 }],
    ['an unknown reason', { ...shell, reason: 7 as never }],
    ['a commitment of 31 bytes', { ...shell, vectorCommitment: bytes(31) }],
  ])('is refused with %s', (_, bent) => {
    expect(refusal(() => records.encodeSettlement(bent))).toBe('bad-entry');
  });

  it('says final by a 1 or not at all', () => {
    const body = new Map(records.encodeSettlementBody(second));
    expect(body.get(8)).toBe(1);
    expect(records.encodeSettlementBody({ ...second, final: false }).has(8)).toBe(false);
    body.set(8, 0);
    expect(refusal(() => records.parseSettlement(body))).toBe('bad-entry');
    expect(refusal(() => records.parseSettlement(body.set(8, 1).set(9, 0)))).toBe('bad-entry');
  });

  const line = ['m', '', 10, 0, 5, 0, -3, 0];
  const change = (at: number, value: CborValue) => line.map((field, i) => (i === at ? value : field));

  it.each<[string, CborValue]>([
    ['a line that is no list', [900, 1, ['m']]],
    ['a line of seven fields', [900, 1, [line.slice(1)]]],
    ['no member', [900, 1, [change(0, '')]]],
    ['a meter that is no id', [900, 1, [change(1, ' ')]]],
    ['a negative need', [900, 1, [change(2, -1)]]],
    ['a need of 2^53', [900, 1, [change(2, 2n ** 53n)]]],
    ['more received than needed', [900, 1, [change(4, 11)]]],
    ['more delivered than offered', [900, 1, [change(5, 1)]]],
    ['credits of 2^63', [900, 1, [change(6, 2n ** 63n)]]],
    ['quality 6', [900, 1, [change(7, 6)]]],
    ['one line twice', [900, 1, [line, line]]],
    ['lines out of order', [900, 1, [line, change(0, 'M')]]],
    ['a start that is none', [901, 1, []]],
    ['version 0', [900, 0, []]],
    ['a fourth field', [900, 1, [], 0]],
    ['a map', new Map()],
  ])('is refused as a vector with %s', (_, content) => {
    expect(refusal(() => records.parseVectorContent(encodeCbor(content)))).toBe('bad-entry');
  });

  it.each<[string, CborValue]>([
    ['more shared than needed', [900, 1, 2, 4, 5, 5, 0, 0]],
    ['more shared than offered', [900, 1, 2, 5, 4, 5, 0, 0]],
    ['a levy beyond what was paid', [900, 1, 2, 5, 5, 5, 1, 2]],
    ['a negative levy', [900, 1, 2, 5, 5, 5, 1, -1]],
    ['seven fields', [900, 1, 2, 5, 5, 5, 1]],
    ['units as text', [900, 1, '2', 5, 5, 5, 1, 0]],
  ])('is refused as totals with %s', (_, content) => {
    expect(refusal(() => records.parseTotalsContent(encodeCbor(content)))).toBe('bad-entry');
  });

  it('is not written with money beyond 64 bits or lines out of order', () => {
    const good = records.parseLine(line);
    const vector = (...lines: records.SettlementLine[]) =>
      refusal(() => records.encodeVectorContent({ startS: 900, version: 1, lines: records.lineColumns(lines) }));
    expect(vector({ ...good, amountMicro: 2n ** 63n })).toBe('money-range');
    expect(vector({ ...good, amountMicro: -(2n ** 63n) - 1n })).toBe('money-range');
    expect(vector({ ...good, amountMicro: -(2n ** 63n) })).toBe('not refused');
    expect(vector(good, good)).toBe('bad-entry');
    expect(vector(good, { ...good, meter: 'x' }, { ...good, member: 'a' })).toBe('bad-entry');
  });

  it('reads back whatever it wrote', () => {
    const energy = fc.nat({ max: 10 ** 12 });
    const anyLine = fc
      .record({
        member: fc.stringMatching(/^[A-Za-z0-9]{1,3}$/),
        meter: fc.stringMatching(/^[a-z0-9]{0,2}$/),
        need: energy,
        offer: energy,
        micro: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
        quality: fc.nat(5),
      })
      .map(({ need, offer, micro, quality, ...unit }) => ({
        ...unit,
        needMwh: need,
        offerMwh: offer,
        receivedMwh: Math.floor(need / 2),
        deliveredMwh: Math.floor(offer / 2),
        amountMicro: micro,
        quality,
      }));
    fc.assert(
      fc.property(fc.uniqueArray(anyLine, { selector: (l) => `${l.member}/${l.meter}`, maxLength: 30 }), (unsorted) => {
        const lines = [...unsorted] as records.SettlementLine[];
        lines.sort(
          (a, b) =>
            Buffer.compare(Buffer.from(a.member), Buffer.from(b.member)) ||
            Buffer.compare(Buffer.from(a.meter), Buffer.from(b.meter)),
        );
        const vector = { startS: 900, version: 4, lines };
        expect(
          records.parseVectorContent(records.encodeVectorContent({ ...vector, lines: records.lineColumns(lines) })),
        ).toEqual(vector);
      }),
    );
  });
});

describe('a seal', () => {
  const seal: records.Seal = { number: 2, previousIndex: 5, leafCount: 1, root: bytes(32) };
  const line = ['m', '', 10, 0, 5, 0, -3, 0];
  const sealed = [9, line, -3];

  it('names the one before from number 2 on, and only then', () => {
    expect(refusal(() => records.encodeSeal(seal))).toBe('not refused');
    expect(refusal(() => records.encodeSeal({ ...seal, number: 1 }))).toBe('bad-entry');
    expect(refusal(() => records.encodeSeal({ number: 2, leafCount: 1, root: bytes(32) }))).toBe('bad-entry');
    expect(refusal(() => records.encodeSeal({ ...seal, root: bytes(31) }))).toBe('bad-entry');
    expect(refusal(() => records.encodeSeal({ ...seal, leafCount: -1 }))).toBe('bad-entry');
  });

  it.each<[string, CborValue]>([
    ['the line of another member', ['n', 1, [sealed], 0, 0]],
    ['one line twice', ['m', 1, [sealed, sealed], 0, 0]],
    [
      'lines out of order',
      [
        'm',
        1,
        [
          [9, line, 0],
          [8, line, 0],
        ],
        0,
        0,
      ],
    ],
    ['number 0', ['m', 0, [], 0, 0]],
    ['credits of 2^63', ['m', 1, [], 2n ** 63n, 0]],
    ['energy of 2^53', ['m', 1, [], 0, 2n ** 53n]],
    ['energy of -2^53', ['m', 1, [], 0, -(2n ** 53n)]],
    ['a line of two fields', ['m', 1, [[9, line]], 0, 0]],
    ['four fields', ['m', 1, [], 0]],
  ])('is refused as a leaf with %s', (_, content) => {
    expect(refusal(() => records.parseSealLeafContent(encodeCbor(content)))).toBe('bad-entry');
  });
});

describe('other contents', () => {
  it.each<[string, CborValue]>([
    ['a time as text', ['0', bytes(3)]],
    ['a negative time', [-1, bytes(3)]],
    ['a message as text', [0, 'x']],
    ['a message that is too long', [0, bytes(4097)]],
    ['three fields', [0, bytes(3), 0]],
  ])('of a frame are refused with %s', (_, content) => {
    expect(refusal(() => records.parseFrameContent(encodeCbor(content)))).toBe('bad-entry');
  });

  it.each<[string, [number, CborValue][]]>([
    [
      'no message',
      [
        [1, bytes(8)],
        [2, 1],
        [3, 1],
      ],
    ],
    [
      'an empty message',
      [
        [1, bytes(8)],
        [2, 1],
        [3, 1],
        [4, bytes(0)],
      ],
    ],
    [
      'epoch 0',
      [
        [1, bytes(8)],
        [2, 0],
        [3, 1],
        [4, bytes(9)],
      ],
    ],
    [
      'number 0',
      [
        [1, bytes(8)],
        [2, 1],
        [3, 0],
        [4, bytes(9)],
      ],
    ],
    [
      'a kid of 9 bytes',
      [
        [1, bytes(9)],
        [2, 1],
        [3, 1],
        [4, bytes(9)],
      ],
    ],
  ])('of evidence are refused with %s', (_, fields) => {
    expect(refusal(() => records.parseEvidenceContent(encodeCbor(cborMap(fields))))).toBe('bad-entry');
  });

  it('of a gap are refused unless they are a claim or one message', () => {
    const claim = [
      [1, bytes(8)],
      [2, 1],
      [3, 5],
      [4, 7],
      [5, bytes(32)],
      [6, bytes(32)],
    ] as [number, CborValue][];
    const gap = (...changes: [number, CborValue][]) => refusal(() => records.parseGap(cborMap([...claim, ...changes])));
    expect(gap()).toBe('not refused');
    for (const [key, value] of [
      [1, bytes(7)],
      [2, 0],
      [3, 8],
      [5, bytes(31)],
      [7, 0],
    ] as [number, CborValue][]) {
      expect(gap([key, value])).toBe('bad-entry');
    }
    expect(refusal(() => records.parseGap(cborMap([[2, bytes(9)]])))).toBe('bad-entry');
    expect(refusal(() => records.parseGap(new Map()))).toBe('bad-entry');
  });
});
