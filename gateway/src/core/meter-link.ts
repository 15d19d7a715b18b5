import type { ReadBlock } from '@commonwatt/firmware-protocol/registers';

/** What one request reads: function 3 or 4, 0-based address, 1 to 125 registers. */
export type RegisterRange = Pick<ReadBlock, 'function' | 'address' | 'count'>;

/**
 * One connection to one device, or to a converter with several units behind it.
 *
 * Contract:
 * - One request is on the wire at a time; callers that come meanwhile wait their turn, in order.
 * - `read` opens the connection when there is none, and resolves with exactly `count` words of 16 bits.
 * - It rejects with `meter-unreachable` (no connection), `meter-timeout` (no answer), `meter-garbled` (not an answer
 *   to this request) or `meter-exception` (with `modbusCode`). After all but the last the connection is thrown away,
 *   so that a late answer can never be taken for that of a later request.
 * - Nothing that a device sends makes it throw anything else, or wait longer than its time-outs.
 * - `connections` rises by one with each connection that was opened; what was learnt over an older one may be stale.
 */
export interface MeterLink {
  /** `onSent` is called when the request goes onto the wire, after all waiting: that is when the device is asked. */
  read(unit: number, range: RegisterRange, onSent?: () => void): Promise<readonly number[]>;
  readonly connections: number;
  /** Requests that were handed to an open connection, answered or not. */
  readonly requests: number;
  /** For good: ends the connection, one that is being opened too, and every read that waits or comes later. */
  close(): void;
}
