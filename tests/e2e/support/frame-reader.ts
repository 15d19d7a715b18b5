/**
 * A second reader of frames, by the page of the protocol and a CBOR library of other makers, sharing no line with the
 * programs under test (PROTOCOL 1.5 and 2.2). It believes signatures: whether they hold is looked at elsewhere.
 */
import { decode } from 'cborg';

const TAG_COSE_SIGN1 = 18;
const IMPORT = 1;
const EXPORT = 2;

/** A frame as a neighbour with the protocol's page in hand would read it. */
export interface ReadFrame {
  readonly kid: string;
  readonly epoch: number;
  readonly number: number;
  readonly previous: string;
  readonly channels: readonly ReadChannel[];
}

export interface ReadChannel {
  readonly meter: number;
  readonly quantity: number;
  readonly status: number;
  /** In the channel's own unit, by UTC second. */
  readonly values: ReadonlyMap<number, bigint>;
}

type Channel = readonly [number, number, number, number | bigint, readonly number[]];

export function readFrame(message: Uint8Array): ReadFrame {
  const [protectedBytes, , payload] = decode(message, {
    tags: { [TAG_COSE_SIGN1]: (inner) => inner() },
  }) as Uint8Array[];
  const header = decode(protectedBytes!, { useMaps: true }) as Map<number, Uint8Array>;
  const body = decode(payload!, { useMaps: true }) as Map<number, unknown>;
  const startS = body.get(5) as number;
  const step = body.get(6) as number | readonly number[];
  const timeS = (at: number) => startS + (typeof step === 'number' ? at * step : at === 0 ? 0 : step[at - 1]!);
  return {
    kid: hex(header.get(4)!),
    epoch: body.get(2) as number,
    number: body.get(3) as number,
    previous: hex(body.get(4) as Uint8Array),
    channels: (body.get(9) as readonly Channel[]).map(([meter, quantity, status, first, deltas]) => {
      let value = BigInt(first);
      const rest = deltas.map((delta, at): [number, bigint] => {
        value += BigInt(delta);
        return [timeS(at + 1), value];
      });
      return { meter, quantity, status, values: new Map([[timeS(0), BigInt(first)], ...rest]) };
    }),
  };
}

/** Counters of one home by UTC second, in mWh. */
export interface HomeCounters {
  readonly import: ReadonlyMap<number, bigint>;
  readonly export: ReadonlyMap<number, bigint>;
}

/** What all frames together say, by kid. Takes each frame once, however often it was sent. */
export function countersOf(messages: readonly Uint8Array[]): ReadonlyMap<string, HomeCounters> {
  const homes = new Map<string, { import: Map<number, bigint>; export: Map<number, bigint> }>();
  for (const message of messages) {
    const { kid, channels } = readFrame(message);
    const home = homes.get(kid) ?? { import: new Map(), export: new Map() };
    homes.set(kid, home);
    for (const { quantity, status, values } of channels) {
      const counter = quantity === IMPORT ? home.import : quantity === EXPORT ? home.export : undefined;
      if (status !== 0 || counter === undefined) continue;
      for (const [timeS, value] of values) counter.set(timeS, value);
    }
  }
  return homes;
}

/**
 * Energy shared in an interval, in mWh: the smaller of what all homes together lack and what they have over. A home takes
 * part with its import read at both edges, or, where it has no import counter at all, its export; any other counter that
 * lacks an edge counts as 0. Undefined where no home takes part.
 */
export function sharedMwh(homes: Iterable<HomeCounters>, startS: number, endS: number): bigint | undefined {
  const nets = [...homes].flatMap((home) => {
    const imported = between(home.import, startS, endS);
    const exported = between(home.export, startS, endS);
    const primary = home.import.size > 0 ? imported : exported;
    return primary === undefined ? [] : [(exported ?? 0n) - (imported ?? 0n)];
  });
  if (nets.length === 0) return undefined;
  const surplus = nets.reduce((sum, net) => (net > 0n ? sum + net : sum), 0n);
  const deficit = nets.reduce((sum, net) => (net < 0n ? sum - net : sum), 0n);
  if (surplus < deficit) return surplus;
  return deficit;
}

function between(counter: ReadonlyMap<number, bigint>, startS: number, endS: number): bigint | undefined {
  const from = counter.get(startS);
  const to = counter.get(endS);
  return from === undefined || to === undefined ? undefined : to - from;
}

/** The sum over all intervals of `[fromS, toS)`, as kWh with six decimals. */
export function sharedKwh(
  homes: ReadonlyMap<string, HomeCounters>,
  span: { fromS: number; toS: number; intervalS: number },
) {
  let sum = 0n;
  for (let startS = span.fromS; startS < span.toS; startS += span.intervalS) {
    sum += sharedMwh(homes.values(), startS, startS + span.intervalS) ?? 0n;
  }
  return `${sum / 1_000_000n}.${(sum % 1_000_000n).toString().padStart(6, '0')}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
