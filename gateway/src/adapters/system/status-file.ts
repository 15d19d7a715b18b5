import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError, reasonOf } from '../../errors.js';

/** What a running gateway last said about itself; its outbox is locked, so this is how another process learns of it. */
export const STATUS_FILE = 'status.json';
/** Its presence says that this folder had an outbox. */
const MARKER_FILE = 'outbox.made';

export function writeStatusFile(folder: string, record: Record<string, unknown>): void {
  const file = join(folder, STATUS_FILE);
  const fresh = `${file}.new`;
  writeFileSync(fresh, `${JSON.stringify(record)}\n`);
  renameSync(fresh, file);
}

/** The newest status of a data folder and its age in milliseconds. Throws `no-status`. */
export function readStatusFile(folder: string): { record: Record<string, unknown>; ageMs: number } {
  const file = join(folder, STATUS_FILE);
  try {
    const record: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof record !== 'object' || record === null) throw new Error('expected an object');
    return { record: record as Record<string, unknown>, ageMs: Date.now() - statSync(file).mtimeMs };
  } catch (cause) {
    const message = `${file} cannot be read, so no gateway has run with this folder yet: ${reasonOf(cause)}`;
    throw new GatewayError('no-status', message, { cause });
  }
}

export function hasOutboxMarker(folder: string): boolean {
  return existsSync(join(folder, MARKER_FILE));
}

export function markOutbox(folder: string): void {
  if (!hasOutboxMarker(folder)) writeFileSync(join(folder, MARKER_FILE), '', { flush: true });
}
