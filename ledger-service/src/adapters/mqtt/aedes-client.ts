/** The two things of the broker library's connections that we use and it does not document. Its version is pinned. */
import type { Client } from 'aedes';

interface Internals {
  /** Of the next message that goes out with QoS 1. */
  _nextId: number;
  /** Counts a message as dealt with, and reads on when none of the last read is left. */
  _nextBatch(): void;
}

const MAX_PACKET_ID = 65_535;

/** MQTT 2.3.1: a number for a message, from the count that the library keeps for its own. */
export function nextPacketId(client: Client): number {
  const internals = client as Client & Internals;
  const id = internals._nextId;
  internals._nextId = id >= MAX_PACKET_ID ? 1 : id + 1;
  return id;
}

/** In the place of the callback that a message was handed over with, when there is nothing left to do about it. */
export function readOn(client: Client): void {
  (client as Client & Internals)._nextBatch();
}
