import type { GatewayMessage, PumpAnswer, PumpCommunity, PumpLedger } from '../../src/adapters/mqtt/pump-ledger.js';

/** A community that accepts everything and answers each message with its own bytes. */
export class EchoCommunity implements PumpCommunity {
  readonly batches: number[] = [];
  readonly seen: string[] = [];
  settled = 0;
  /** Starts of intervals that it cannot book. */
  heldS: readonly number[] = [];
  note = new Uint8Array([1]);
  /** Awaited inside each commit. */
  gate: Promise<void> = Promise.resolve();
  /** Throws for a batch when it wants it refused. */
  fail: (batch: readonly GatewayMessage[]) => void = () => {};

  isEnrolled(gateway: string): boolean {
    return !gateway.startsWith('stranger');
  }

  async ingestFrames(frames: readonly GatewayMessage[]) {
    this.fail(frames);
    await this.gate;
    this.batches.push(frames.length);
    for (const { message } of frames) this.seen.push(Buffer.from(message).toString());
    const answers = frames.map(({ gateway, message }) => ({ gateway, bytes: message }));
    return { answers, accepted: frames.length, duplicate: 0, refused: 0, parked: 0, toStrangers: 0 };
  }

  async handleEvent({ gateway, message }: GatewayMessage): Promise<readonly PumpAnswer[]> {
    this.seen.push(`event ${Buffer.from(message).toString()}`);
    return [{ gateway, bytes: message }];
  }

  async settleDue() {
    this.settled += 1;
    return { answers: [], heldS: this.heldS };
  }

  async checkpoint(): Promise<Uint8Array> {
    return this.note;
  }
}

export function ledgerOf(communities: Map<string, PumpCommunity>): PumpLedger {
  return {
    communities: async () => [...communities.keys()],
    community: async (id) => {
      const found = communities.get(id);
      if (found === undefined) throw new Error(`no community ${id}`);
      return found;
    },
  };
}

/** Waits for a condition with a bound: tests never sleep for luck. */
export async function until(what: string, holds: () => boolean, withinMs = 10_000): Promise<void> {
  const giveUp = Date.now() + withinMs;
  while (!holds()) {
    if (Date.now() > giveUp) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
