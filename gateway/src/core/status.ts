import {
  formatStatus,
  type GatewayStatus,
  type MeterStatus,
  utf8Decode,
  utf8Encode,
} from '@commonwatt/firmware-protocol';
import type { MeterConfig } from './gateway-config.js';
import type { PollOutcome } from './poll.js';

/** What keeps the box from its work, worst first, and what helps. A closed list. */
export const REMEDIES = {
  'log-contradiction':
    'The ledger proved frames against two different logs of one size. Do not reset the box: show this to the community.',
  'outbox-broken':
    'Free the storage of the data folder, or make it writable: the box goes on by itself. A damaged outbox: see outbox-damaged.',
  'outbox-full': 'Restore the way to the ledger: readings are being lost until frames are answered.',
  forked: 'Two boxes run with one key: find and stop the second. The operator must sign the new epoch too.',
  'not-enrolled': 'Enrol this key with the operator: commonwatt-gateway key --data DIR prints it.',
  'asking-epoch': 'Nothing: the box goes on by itself when the ledger grants the new epoch.',
  'request-refused': 'Check that origin and keys of the configuration are those of this community, then restart.',
  'no-broker': 'Check the network and the address of the broker; readings are kept meanwhile.',
  confirming: 'Nothing: the box goes on when the ledger has answered its newest frame.',
  ready: '',
} as const;

export type ConditionName = keyof typeof REMEDIES;

/** Worst first: the first that holds is shown. */
export const CONDITION_NAMES = Object.keys(REMEDIES) as ConditionName[];

/** One reason why the box is not at its work, and the way out. */
export interface Condition {
  readonly name: ConditionName;
  readonly reason: string;
}

/** Everything that the status shows. */
export interface StatusView {
  readonly gateway: string;
  readonly kid: string;
  readonly status: GatewayStatus & { state: 'online' };
  readonly condition: Condition;
  readonly refused: number;
  readonly meterReasons: ReadonlyMap<number, string>;
}

/** The retained payload of the status topic (PROTOCOL 4.2), with the condition and reasons beside it. */
export function encodeStatus(view: StatusView): Uint8Array {
  return utf8Encode(JSON.stringify(statusRecord(view)));
}

/** The same as an object, also for the file in the data folder. */
export function statusRecord({ status, condition, kid, refused, meterReasons }: StatusView): Record<string, unknown> {
  const record = JSON.parse(utf8Decode(formatStatus(status))) as { meters: { index: number }[] };
  return {
    ...record,
    kid,
    refused,
    condition: { ...condition, remedy: REMEDIES[condition.name] },
    meters: record.meters.map((meter) => {
      const reason = meterReasons.get(meter.index);
      return reason === undefined ? meter : { ...meter, reason: reason.slice(0, MAX_SHOWN_REASON) };
    }),
  };
}

/** Sixteen meters with their reasons must stay below the limit of a status. */
const MAX_SHOWN_REASON = 160;

/** The status has room for so many (PROTOCOL 4.2). */
const MAX_STATUS_METERS = 16;

/** How each meter answered last. */
export class MeterBoard {
  readonly #meters: readonly MeterConfig[];
  readonly #states = new Map<number, { state: MeterStatus['state']; reason?: string; lastReadingS?: number }>();

  constructor(meters: readonly MeterConfig[]) {
    this.#meters = meters;
    for (const { index } of meters) this.#states.set(index, { state: 'silent', reason: 'not read yet' });
  }

  /** True when there is something new to say: another state, or another reason for it. */
  note(index: number, outcome: PollOutcome): boolean {
    const before = this.#states.get(index);
    if (outcome.kind === 'resting') return false;
    const lastReadingS = before?.lastReadingS;
    const last = lastReadingS === undefined ? {} : { lastReadingS };
    if (outcome.kind === 'failed') {
      const state = REFUSALS.has(outcome.code) ? 'refusing' : 'silent';
      this.#states.set(index, { ...last, state, reason: `${outcome.code}: ${outcome.reason}` });
    } else if (outcome.readings.every(({ counters }) => counters.length === 0)) {
      this.#states.set(index, {
        ...last,
        state: 'absent',
        reason: 'the meter answers, but its counters have no value',
      });
    } else {
      this.#states.set(index, { state: 'ok', lastReadingS: Math.floor(outcome.readings[0]!.atMs / 1000) });
    }
    const now = this.#states.get(index);
    return before?.state !== now?.state || before?.reason !== now?.reason;
  }

  statuses(): MeterStatus[] {
    return this.#meters.slice(0, MAX_STATUS_METERS).map(({ index, id }) => {
      const { state, lastReadingS } = this.#states.get(index)!;
      return { index, id, state, ...(lastReadingS !== undefined && { lastReadingS }) };
    });
  }

  reasons(): Map<number, string> {
    return new Map([...this.#states].flatMap(([index, { reason }]) => (reason === undefined ? [] : [[index, reason]])));
  }
}

const REFUSALS: ReadonlySet<string> = new Set(['meter-unreachable', 'meter-exception']);
