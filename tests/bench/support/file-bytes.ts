import { statSync } from 'node:fs';

/** Of a database and the write-ahead file beside it. */
export function fileBytes(file: string): number {
  const sizeOf = (name: string): number => statSync(name, { throwIfNoEntry: false })?.size ?? 0;
  return sizeOf(file) + sizeOf(`${file}-wal`);
}
