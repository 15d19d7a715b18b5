import {
  MAX_PASSED,
  MAX_SHELVED,
  type Outbox,
  type OutboxBatch,
  type OutboxUsage,
  type Outgoing,
  type Shelved,
  type StoredSample,
} from '../core/outbox.js';
import type { GatewayState } from '../core/state.js';
import { GatewayError } from '../errors.js';

type Kept = Outgoing & { readonly shelved?: { readonly code?: number } };

/** What a memory outbox writes to. Outlives it, as a disk outlives a process; a test may refuse writes with `full`. */
export class MemoryDisk {
  state: GatewayState | undefined;
  samples = new Map<number, StoredSample>();
  outgoing = new Map<number, Kept>();
  passed = new Map<string, Uint8Array>();
  nextId = 1;
  open = false;
  full = false;
}

/** The outbox of unit tests: keeps its promises as long as the process lives. Throws `outbox-in-use`. */
export function openMemoryOutbox(disk: MemoryDisk): Outbox {
  if (disk.open) throw new GatewayError('outbox-in-use', 'another gateway has this outbox open');
  disk.open = true;
  return new MemoryOutbox(disk);
}

class MemoryOutbox implements Outbox {
  readonly #disk: MemoryDisk;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  state(): GatewayState | undefined {
    return this.#disk.state;
  }

  samples(): StoredSample[] {
    return [...this.#disk.samples.values()].toSorted((a, b) => a.atS - b.atS || a.id - b.id);
  }

  outgoing(query: { readonly afterId: number; readonly limit: number }): Outgoing[] {
    return this.#waiting()
      .filter(({ id }) => id > query.afterId)
      .slice(0, query.limit);
  }

  newestFrame(): Outgoing | undefined {
    return this.#waiting().findLast(({ kind }) => kind === 'frame');
  }

  frame(epoch: number, number: number): Outgoing | undefined {
    return this.#waiting().find((kept) => kept.kind === 'frame' && kept.epoch === epoch && kept.number === number);
  }

  requests(): Outgoing[] {
    return this.#waiting().filter(({ kind }) => kind !== 'frame');
  }

  shelved(limit: number): Shelved[] {
    return this.#shelved()
      .toReversed()
      .slice(0, limit)
      .map(({ kind, epoch, number, shelved }) => ({ kind, epoch, number, ...shelved }));
  }

  passedHash(epoch: number, number: number): Uint8Array | undefined {
    return this.#disk.passed.get(passedKey(epoch, number));
  }

  usage(): OutboxUsage {
    const waiting = this.#waiting();
    return {
      waitingSamples: this.#disk.samples.size,
      framedSamples: waiting.reduce((sum, { samples }) => sum + samples, 0),
      outgoing: waiting.length,
      shelved: this.#shelved().length,
    };
  }

  commit(batch: OutboxBatch): { sampleIds: number[]; outgoingIds: number[] } {
    const disk = this.#disk;
    if (disk.full) throw new GatewayError('outbox-full', 'the outbox cannot be written: the disk is full');
    this.#refuseUsedNumbers(batch);
    if (batch.state !== undefined) disk.state = batch.state;
    for (const id of batch.removeSamples ?? []) disk.samples.delete(id);
    for (const { id, message, hash } of batch.signed ?? []) this.#change(id, { message, hash });
    for (const id of batch.removeOutgoing ?? []) disk.outgoing.delete(id);
    for (const { id, code } of batch.shelve ?? []) this.#change(id, { shelved: code === undefined ? {} : { code } });
    for (const { id } of this.#shelved().slice(0, -MAX_SHELVED)) disk.outgoing.delete(id);
    for (const { epoch, number, hash } of batch.passed ?? []) disk.passed.set(passedKey(epoch, number), hash);
    for (const key of [...disk.passed.keys()].slice(0, -MAX_PASSED)) disk.passed.delete(key);
    const sampleIds = (batch.addSamples ?? []).map((sample) => this.#put(disk.samples, sample));
    const outgoingIds = (batch.addOutgoing ?? []).map((outgoing) => this.#put(disk.outgoing, outgoing));
    return { sampleIds, outgoingIds };
  }

  close(): void {
    this.#disk.open = false;
  }

  #waiting(): Kept[] {
    return [...this.#disk.outgoing.values()].filter(({ shelved }) => shelved === undefined);
  }

  #shelved(): Kept[] {
    return [...this.#disk.outgoing.values()].filter(({ shelved }) => shelved !== undefined);
  }

  #refuseUsedNumbers(batch: OutboxBatch): void {
    for (const { kind, epoch, number } of batch.addOutgoing ?? []) {
      const used = [...this.#disk.outgoing.values()].some(
        (kept) => kind === 'frame' && kept.kind === kind && kept.epoch === epoch && kept.number === number,
      );
      if (used) throw new GatewayError('outbox-damaged', `number ${number} of epoch ${epoch} is used already`);
    }
  }

  #change(id: number, change: Partial<Kept>): void {
    const kept = this.#disk.outgoing.get(id);
    if (kept !== undefined) this.#disk.outgoing.set(id, { ...kept, ...change });
  }

  #put<T extends object>(map: Map<number, T & { id: number }>, value: T): number {
    const id = this.#disk.nextId++;
    map.set(id, { ...value, id });
    return id;
  }
}

function passedKey(epoch: number, number: number): string {
  return `${epoch}/${number}`;
}
