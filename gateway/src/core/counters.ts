import { CounterCause, type CounterEvent, type Quantity } from '@commonwatt/firmware-protocol';
import type { ChannelConfig } from './gateway-config.js';
import type { Counter } from './reading.js';
import type { Baseline, MeterState, Suspicion } from './state.js';

/** What one meter said, as the judgement of its counters needs it. */
export interface CounterLook {
  readonly atS: number;
  readonly counters: readonly Counter[];
}

export interface CounterJudgement {
  readonly state: MeterState;
  /** A new generation of the meter's counters, to be signed before the reading that confirmed it is sealed. */
  readonly event?: Omit<CounterEvent, 'meter'>;
}

type Verdict = 'good' | 'back' | 'leap';

/**
 * Whether the counters of a meter go on from where they were. A reading that does not fit is sent as it is, like every
 * other, but it never becomes the value that later ones are judged by, until a second reading confirms it: a glitch
 * passes, a counter that began anew opens a new generation, and a leap that stays is believed without an event.
 */
export function judgeCounters(
  state: MeterState,
  look: CounterLook,
  channels: readonly ChannelConfig[],
): CounterJudgement {
  const { suspicion } = state;
  const values = new Map(look.counters.map(({ quantity, value }) => [quantity, value]));
  const confirms = (channel: ChannelConfig) =>
    suspicion !== undefined &&
    confirmedAs(channel, state, suspicion, { atS: look.atS, value: values.get(channel.quantity) });
  const confirmedBack = channels.filter((channel) => confirms(channel) === 'back');
  if (suspicion !== undefined && confirmedBack.length > 0) {
    const back = new Set(confirmedBack.map((channel) => channel.quantity));
    return beginGeneration(state, suspicion, look, { channels, back });
  }
  return { state: goOn(state, look, { channels, isConfirmed: (channel) => confirms(channel) === 'leap' }) };
}

/** What a suspicion turns out to be with the next value: the same step, or nothing that holds. */
function confirmedAs(
  channel: ChannelConfig,
  state: MeterState,
  suspicion: Suspicion,
  now: { readonly atS: number; readonly value: bigint | undefined },
): Verdict | undefined {
  const suspect = suspicion.values.get(channel.quantity);
  const baseline = state.baselines.get(channel.quantity);
  if (suspect === undefined || baseline === undefined || now.value === undefined) return undefined;
  const verdict = judge(channel, baseline, { value: suspect, atS: suspicion.atS });
  if (verdict === 'back') return now.value >= suspect && now.value < baseline.value ? 'back' : undefined;
  if (verdict === 'good') return undefined;
  const next = judge(channel, { value: suspect, atS: suspicion.atS }, { value: now.value, atS: now.atS });
  return next === 'good' ? 'leap' : undefined;
}

function judge(channel: ChannelConfig, from: Baseline, to: Baseline): Verdict {
  if (to.value < from.value) return 'back';
  return to.value - from.value > mostGrowth(channel, to.atS - from.atS) ? 'leap' : 'good';
}

/** PROTOCOL 7.5: a tenth above the nameplate; two counts for the rounding at both ends. */
function mostGrowth({ limitW, exponent }: ChannelConfig, elapsedS: number): bigint {
  // A clock that was set back says nothing about power.
  if (limitW === 0 || elapsedS <= 0) return 1n << 64n;
  const mostMwh = (BigInt(limitW) * 1000n * 11n * BigInt(elapsedS)) / 36_000n;
  return mostMwh / 10n ** BigInt(exponent + 3) + 2n;
}

function goOn(
  state: MeterState,
  look: CounterLook,
  rule: { readonly channels: readonly ChannelConfig[]; readonly isConfirmed: (channel: ChannelConfig) => boolean },
): MeterState {
  const baselines = new Map(state.baselines);
  const suspects: Counter[] = [];
  for (const { quantity, value } of look.counters) {
    const channel = rule.channels.find((other) => other.quantity === quantity);
    const baseline = state.baselines.get(quantity);
    const fits =
      channel === undefined || baseline === undefined || judge(channel, baseline, { value, atS: look.atS }) === 'good';
    if (fits || rule.isConfirmed(channel)) baselines.set(quantity, { value, atS: look.atS });
    else suspects.push({ quantity, value });
  }
  const { suspicion: _, ...rest } = state;
  // The whole meter's values are kept: a counter event tells of each of its channels at that instant.
  const all = new Map(look.counters.map(({ quantity, value }) => [quantity, value]));
  return { ...rest, baselines, ...(suspects.length > 0 && { suspicion: { atS: look.atS, values: all } }) };
}

function beginGeneration(
  state: MeterState,
  suspicion: Suspicion,
  look: CounterLook,
  rule: { readonly channels: readonly ChannelConfig[]; readonly back: ReadonlySet<Quantity> },
): CounterJudgement {
  const baselines = new Map(state.baselines);
  for (const { quantity, value } of look.counters) baselines.set(quantity, { value, atS: look.atS });
  const channels = rule.channels.flatMap(({ quantity }) => {
    const last = state.baselines.get(quantity)?.value;
    const first = suspicion.values.get(quantity) ?? last;
    if (first === undefined || last === undefined) return [];
    return [rule.back.has(quantity) ? { quantity, last, first } : { quantity, last: first, first }];
  });
  const stepped = rule.channels.filter(({ quantity }) => rule.back.has(quantity));
  const ranOver = stepped.every((channel) =>
    isRollover(channel, state.baselines.get(channel.quantity)!.value, suspicion.values.get(channel.quantity)!),
  );
  const generation = state.generation + 1;
  const { suspicion: _, ...rest } = state;
  return {
    state: { ...rest, generation, baselines },
    event: {
      generation,
      cause: ranOver ? CounterCause.rollover : CounterCause.reset,
      channels,
      fromS: suspicion.atS,
    },
  };
}

/** From the last hundredth of the counter's range to its first. */
function isRollover({ widthBits }: ChannelConfig, last: bigint, first: bigint): boolean {
  const range = 1n << BigInt(widthBits);
  const near = range / 100n;
  return last <= range && range - last <= near && first <= near;
}
