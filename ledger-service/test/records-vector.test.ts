/** The one-pass reader of vectors against the general one: decode the CBOR, then look at every value. */
import { type CborValue, decodeCbor, encodeCbor } from '@commonwatt/firmware-protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LedgerError } from '../src/core/errors.js';
import * as records from '../src/core/records/index.js';

const micro = fc.oneof(
  fc.integer({ min: -100_000, max: 100_000 }).map(BigInt),
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  fc.constantFrom(0n, -1n, 2n ** 53n - 1n, 2n ** 53n, -(2n ** 53n), -(2n ** 63n), 2n ** 63n - 1n, 23n, 24n, -25n),
);
const energy = fc.oneof(
  fc.nat({ max: 300_000 }),
  fc.constantFrom(0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32, 2 ** 53 - 1),
);

const vectors = fc
  .record({
    ids: fc.uniqueArray(fc.tuple(fc.stringMatching(/^[A-Za-z0-9][a-z._-]{0,2}$/), fc.stringMatching(/^[a-z]{0,2}$/)), {
      selector: ([member, meter]) => `${member}/${meter}`,
      maxLength: 12,
    }),
    figures: fc.array(fc.tuple(energy, energy, micro, fc.nat(5)), { minLength: 12, maxLength: 12 }),
    startS: fc.nat({ max: 4_000_000 }).map((n) => n * 300),
    version: fc.integer({ min: 1, max: 70_000 }),
  })
  .map(({ ids, figures, startS, version }) => {
    const units = ids.map(([member, meter]) => ({ member, meter })).sort(records.compareUnits);
    const lines = units.map((unit, i): records.SettlementLine => {
      const [needMwh, offerMwh, amountMicro, quality] = figures[i]!;
      const [receivedMwh, deliveredMwh] = [Math.floor(needMwh / 2), Math.floor(offerMwh / 3)];
      return { ...unit, needMwh, offerMwh, receivedMwh, deliveredMwh, amountMicro, quality } as records.SettlementLine;
    });
    return { startS, version, lines };
  });

const encode = ({ startS, version, lines }: records.SettlementVector) =>
  records.encodeVectorContent({ startS, version, lines: records.lineColumns(lines) });

/** What the general reader makes of it; undefined where it refuses. */
function readSlowly(content: Uint8Array): records.SettlementVector | undefined {
  try {
    const value = decodeCbor(content);
    if (!Array.isArray(value) || value.length !== 3) return undefined;
    const [startS, version, items] = value as [CborValue, CborValue, CborValue];
    if (typeof startS !== 'number' || startS < 0 || startS % 300 !== 0) return undefined;
    if (typeof version !== 'number' || version < 1 || !Array.isArray(items)) return undefined;
    const lines = items.map(records.parseLine);
    const rises = lines.every((line, i) => i === 0 || records.compareUnits(lines[i - 1]!, line) < 0);
    return rises ? { startS, version, lines } : undefined;
  } catch {
    return undefined;
  }
}

function readQuickly(content: Uint8Array, likely?: records.UnitNames): records.SettlementVector | undefined {
  try {
    const { startS, version, lines } = records.parseVectorColumns(content, likely);
    return { startS, version, lines: records.linesOf(lines) };
  } catch (error) {
    if (error instanceof LedgerError && error.code === 'bad-entry') return undefined;
    throw error;
  }
}

describe('a vector', () => {
  it('is written as a general writer writes it, and read back', () => {
    fc.assert(
      fc.property(vectors, (vector) => {
        const { startS, version, lines } = vector;
        const content = encode(vector);
        expect(content).toEqual(encodeCbor([startS, version, lines.map(records.lineItem)]));
        expect(readQuickly(content)).toEqual(vector);
        expect(readSlowly(content)).toEqual(vector);
      }),
      { numRuns: 300 },
    );
  });

  it('is read or refused as by the general reader, whatever bytes were changed, whomever it was thought to name', () => {
    const change = fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('put', 'insert', 'remove', 'cut'));
    fc.assert(
      fc.property(vectors, vectors, fc.array(change, { minLength: 1, maxLength: 3 }), (vector, other, changes) => {
        let bytes = [...encode(vector)];
        for (const [place, byte, kind] of changes) {
          const at = place % Math.max(1, bytes.length);
          if (kind === 'put') bytes[at] = byte;
          else if (kind === 'insert') bytes.splice(at, 0, byte);
          else if (kind === 'remove') bytes.splice(at, 1);
          else bytes = bytes.slice(0, at);
        }
        const content = Uint8Array.from(bytes);
        const expected = readSlowly(content);
        expect(readQuickly(content)).toEqual(expected);
        expect(readQuickly(content, new records.UnitNames(vector.lines))).toEqual(expected);
        expect(readQuickly(content, new records.UnitNames(other.lines))).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('names the very units that were likely, where they are those', () => {
    fc.assert(
      fc.property(vectors, (vector) => {
        const units = new records.UnitNames(vector.lines);
        expect(records.parseVectorColumns(encode(vector), units).lines.units).toBe(units);
      }),
    );
  });

  it('under another version is the vector written anew', () => {
    fc.assert(
      fc.property(vectors, fc.integer({ min: 1, max: 2 ** 40 }), (vector, version) => {
        expect(records.vectorUnderVersion(encode(vector), version)).toEqual(encode({ ...vector, version }));
      }),
    );
  });
});
