import { type CborKey, type CborValue, decodeCbor, encodeCbor } from '@commonwatt/firmware-protocol';
import { describe, expect, it } from 'vitest';
import * as records from '../src/core/records/index.js';
import { bytes, fromHex, hasher, publicKeyOf, readVectors, refusal } from './records-helpers.js';

type Fields = ReadonlyMap<CborKey, CborValue>;
type Change = (fields: Map<CborKey, CborValue>) => void;

const set =
  (key: number, value: CborValue | undefined): Change =>
  (fields) => {
    if (value === undefined) fields.delete(key);
    else fields.set(key, value);
  };

/** Changes a field of the map inside a field. */
const setIn =
  (outer: number, key: number, value: CborValue | undefined): Change =>
  (fields) => {
    const inner = new Map(fields.get(outer) as Fields);
    set(key, value)(inner);
    fields.set(outer, inner);
  };

/** A point of order 8: on the curve, and no key. */
const smallOrder = fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a');

interface PayloadKind {
  readonly name: string;
  readonly golden: string;
  readonly parse: (payload: Uint8Array) => unknown;
  readonly bent: Readonly<Record<string, Change>>;
}

const channel = [1, 0, 32, 0];
const meters = (...items: CborValue[]) => set(6, items);
const meter = (...channels: CborValue[]) => meters([0, 'm', 1, channels]);

const payloadKinds: PayloadKind[] = [
  {
    name: 'genesis',
    golden: '00-genesis',
    parse: records.parseGenesis,
    bent: {
      'a number that is not 1': set(1, 2),
      'an origin without a community': set(2, 'community.example'),
      'an origin with two slashes': set(2, 'community.example/a/b'),
      'an origin with a space': set(2, 'community example/a'),
      'an origin with a plus': set(2, 'community+example/a'),
      'an origin whose community is no id': set(2, 'community.example/-a'),
      'an origin without a host': set(2, '/a'),
      'an origin as bytes': set(2, bytes(8)),
      'an empty currency': set(3, ''),
      'a currency with a newline': set(3, 'kWh\n'),
      'a currency that is too long': set(3, 'k'.repeat(65)),
      'an interval of 10 minutes': set(4, 600),
      'an interval as text': set(4, '900'),
      'a time zone with a space': set(5, 'Europe/New Berlin'),
      'a time zone that climbs': set(5, '../etc'),
      'a negative settleAfter': setIn(6, 1, -1),
      'a grace beyond 2^53': setIn(6, 2, 2n ** 53n),
      'no maxSpan': setIn(6, 3, undefined),
      'an outage policy 3': setIn(6, 4, 3),
      'a k as text': setIn(6, 5, '5'),
      'a commons member that is no id': setIn(6, 6, ''),
      'an unknown setting': setIn(6, 7, 0),
      'settings as a list': set(6, []),
      'a log key of 31 bytes': set(7, bytes(31)),
      'a log key of small order': set(7, smallOrder),
      'an answer key that is the log key': set(8, publicKeyOf(3)),
      'an operator key that is the log key': set(9, publicKeyOf(3)),
      'a hash of 31 bytes': set(10, bytes(31)),
    },
  },
  {
    name: 'party',
    golden: '01-party',
    parse: records.parseParty,
    bent: {
      'number 0': set(1, 0),
      'a member with a slash': set(2, 'a/b'),
      'a member of 65 characters': set(2, 'a'.repeat(65)),
      'class 0': set(3, 0),
      'class 4': set(3, 4),
      'an empty name': set(4, ''),
      'a name that is too long': set(4, 'é'.repeat(129)),
      'a name as bytes': set(4, bytes(3)),
      'an address that is too long': set(5, 'a'.repeat(1025)),
      'a member key that is the identity': set(6, fromHex(`01${'00'.repeat(31)}`)),
      'a member key of 33 bytes': set(6, bytes(33)),
    },
  },
  {
    name: 'device',
    golden: '02-device',
    parse: (payload) => records.parseDevice(hasher, payload),
    bent: {
      'number 0': set(1, 0),
      'a kid of 7 bytes': set(2, bytes(7)),
      'a kid of another key': set(2, bytes(8)),
      'a key of small order': set(3, smallOrder),
      'a home with a space': set(4, 'h 1'),
      'no member': set(5, ''),
      'meters as a map': set(6, new Map()),
      'a meter that is not four fields': meters([0, 'm', 1]),
      'a negative meter index': meters([-1, 'm', 1, [channel]]),
      'one meter index twice': meters([0, 'm', 1, [channel]], [0, 'n', 1, [channel]]),
      'one meter id twice': meters([0, 'm', 1, [channel]], [1, 'm', 1, [channel]]),
      'a meter id that is none': meters([0, '', 1, [channel]]),
      'a generation as text': meters([0, 'm', '1', [channel]]),
      'a meter without a channel': meter(),
      'one quantity twice': meter(channel, channel),
      'quantity 0': meter([0, 0, 32, 0]),
      'quantity 8': meter([8, 0, 32, 0]),
      'exponent -4': meter([1, -4, 32, 0]),
      'exponent 7': meter([1, 7, 32, 0]),
      'a width of 24 bits': meter([1, 0, 24, 0]),
      'a negative limit': meter([1, 0, 32, -1]),
      'a channel of five fields': meter([1, 0, 32, 0, 0]),
      'more meters than any box reads': meters(...Array.from({ length: 257 }, (_, i) => [i, `m${i}`, 1, [channel]])),
    },
  },
  {
    name: 'device revoked',
    golden: '03-device-revoked',
    parse: records.parseDeviceRevoked,
    bent: { 'number 0': set(1, 0), 'a kid of 9 bytes': set(2, bytes(9)) },
  },
  {
    name: 'gateway epoch',
    golden: '04-gateway-epoch',
    parse: records.parseEpochRequestPayload,
    bent: {
      'a kid of 7 bytes': set(1, bytes(7)),
      'epoch 0': set(2, 0),
      'epoch 2^32': set(2, 2 ** 32),
      'a number of 2^53': set(3, 2n ** 53n),
      'a hash of 31 bytes': set(4, bytes(31)),
      'a reason as text': set(5, 'why'),
    },
  },
  {
    name: 'counter event by the operator',
    golden: '05-counter-event-operator',
    parse: records.parseCounterEventPayload,
    bent: {
      'number 0': set(1, 0),
      'a meter that is no id': set(2, '?'),
      'generation 0': set(3, 0),
      'no channel': set(5, []),
      'a negative counter': set(5, [[1, -1, 0]]),
      'a time as text': set(6, '0'),
    },
  },
  {
    name: 'gap by the device',
    golden: '07-gap-device',
    parse: records.parseGapRequestPayload,
    bent: {
      'a kid of 7 bytes': set(1, bytes(7)),
      'epoch 0': set(2, 0),
      'a first number 0': set(3, 0),
      'a last number before the first': set(4, 16),
      'a hash of 33 bytes': set(6, bytes(33)),
    },
  },
  {
    name: 'rules',
    golden: '08-rules',
    parse: records.parseRules,
    bent: {
      'number 0': set(1, 0),
      'netting 3': setIn(2, 1, 3),
      'a consumer rule 0': setIn(2, 2, 0),
      'a consumer rule that this version does not know': setIn(2, 2, 2),
      'a producer rule that this version does not know': setIn(2, 3, 2),
      'a negative price': setIn(2, 4, -1),
      'a price beyond 10^12': setIn(2, 4, 10 ** 12 + 1),
      'a levy beyond the whole': setIn(2, 5, 10_001),
      'a key of a later rule': setIn(2, 6, 1),
      'a first interval that is none': set(3, 1_764_028_801),
      'an empty text': set(4, ''),
      'a text that is too long': set(4, 'x'.repeat(32_769)),
      'a hash of 31 bytes for the text': set(4, bytes(31)),
      'a decided-by as bytes': set(5, bytes(32)),
    },
  },
  {
    name: 'transfer',
    golden: '10-transfer',
    parse: records.parseTransfer,
    bent: {
      'number 0': set(1, 0),
      'a payer that is no id': set(2, ''),
      'payer and payee the same': set(3, 'm-7f3a'),
      'nothing paid': set(4, 0),
      'less than nothing': set(4, -1),
      '2^63 micro-credits': set(4, 2n ** 63n),
    },
  },
  {
    name: 'correction',
    golden: '11-correction',
    parse: records.parseCorrection,
    bent: {
      'number 0': set(1, 0),
      'a meter that is no id': set(2, 'a b'),
      'a start that is none': set(3, 1_764_028_801),
      'quantity 8': set(4, 8),
      'negative energy': set(5, -1),
      'energy beyond 2^53': set(5, 2n ** 53n),
      'no reason': set(6, ''),
      'evidence of 31 bytes': set(7, bytes(31)),
    },
  },
  {
    name: 'witness policy',
    golden: '14-witness-policy',
    parse: records.parseWitnessPolicy,
    bent: {
      'number 0': set(1, 0),
      'another n than keys': set(2, 4),
      'more faulty than there are': set(3, 4),
      'more needed than there are': set(4, 4),
      'a key that is none': set(5, ['a', 'b', 'c']),
      'keys as text': set(5, 'abc'),
    },
  },
  {
    name: 'erasure',
    golden: '16-erasure',
    parse: records.parseErasure,
    bent: {
      'number 0': set(1, 0),
      'no entries': set(2, []),
      'an entry twice': set(2, [1, 1]),
      'a negative entry': set(2, [-1]),
      'no time': set(3, bytes(4)),
    },
  },
];

const fieldsOf = (payload: Uint8Array) => (decodeCbor(payload) as CborValue[])[2] as Fields;

describe.each(payloadKinds)('the payload of a $name', ({ golden, parse, bent }) => {
  const { kind, payload: hex } = readVectors(`entry-${golden}`);
  const good = fromHex(hex as string);
  const bend = (change: Change): Uint8Array => {
    const fields = new Map(fieldsOf(good));
    change(fields);
    return encodeCbor([kind, 1, fields]);
  };

  it.each(Object.keys(bent))('is refused with %s', (name) => {
    expect(refusal(() => parse(bend(bent[name]!)))).toBe('bad-entry');
  });

  it('is refused with a field that is unknown, and without any that it needs', () => {
    expect(refusal(() => parse(bend(set(99, 0))))).toBe('bad-entry');
    expect(refusal(() => parse(bend(set(0, 0))))).toBe('bad-entry');
    const optional: Record<string, number[]> = {
      '00-genesis': [10],
      '01-party': [4, 5, 6],
      '08-rules': [5],
      '11-correction': [7],
    };
    for (const field of fieldsOf(good).keys()) {
      const expected = optional[golden]?.includes(field as number) ? 'not refused' : 'bad-entry';
      expect([field, refusal(() => parse(bend(set(field as number, undefined))))]).toEqual([field, expected]);
    }
  });

  it('is refused with any field of another type', () => {
    for (const field of fieldsOf(good).keys()) {
      for (const value of [null, true, -1, 'no id!', new Uint8Array(5), [], new Map<CborKey, CborValue>()]) {
        const payload = bend(set(field as number, value));
        if (golden === '08-rules' && (field === 4 || field === 5) && value === 'no id!') continue;
        if ((golden === '01-party' || golden === '11-correction') && value === 'no id!') continue;
        if (golden === '00-genesis' && field === 3) continue;
        if (golden === '02-device' && field === 6) continue;
        expect([field, value, refusal(() => parse(payload))]).toEqual([field, value, 'bad-entry']);
      }
    }
  });

  it('is refused under another kind, version, length or as no CBOR at all', () => {
    const fields = fieldsOf(good);
    for (const bad of [
      encodeCbor([(kind + 1) % 17, 1, fields]),
      encodeCbor([kind, 2, fields]),
      encodeCbor([kind, 1]),
      encodeCbor([kind, 1, fields, 0]),
      encodeCbor([kind, 1, [...fields.values()]]),
      encodeCbor(fields),
      Uint8Array.of(...good, 0),
      good.slice(0, -1),
      new Uint8Array(0),
    ]) {
      expect(refusal(() => parse(bad))).toBe('bad-entry');
    }
  });

  it('with any byte changed is refused, or means what its bytes say', () => {
    for (let at = 0; at < good.length; at += 1) {
      for (const mask of [0x01, 0x20, 0x80]) {
        const payload = good.slice();
        payload[at]! ^= mask;
        if (refusal(() => parse(payload)) === 'not refused') expect(encodeCbor(decodeCbor(payload))).toEqual(payload);
      }
    }
  });
});
