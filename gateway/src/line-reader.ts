import type { Readable } from 'node:stream';

/** Longest line of the line protocol, in bytes. */
export const MAX_LINE_BYTES = 1024 * 1024;

const NEWLINE = 0x0a;

/**
 * Calls `onLine` for each line of a stream and `onEnd` at its end. A line that is too long is dropped and told by
 * `onTooLong`; what comes after its newline is read on.
 */
export function readLines(
  input: Readable,
  on: { readonly line: (text: string) => void; readonly tooLong: () => void; readonly end: () => void },
): void {
  let parts: Buffer[] = [];
  let length = 0;
  let isTooLong = false;
  const finishLine = () => {
    if (isTooLong) on.tooLong();
    else on.line(Buffer.concat(parts).toString('utf8'));
    parts = [];
    length = 0;
    isTooLong = false;
  };
  const keep = (part: Buffer) => {
    length += part.length;
    isTooLong ||= length > MAX_LINE_BYTES;
    if (isTooLong) parts = [];
    else parts.push(part);
  };
  input.on('data', (chunk: Buffer) => {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      keep(chunk.subarray(from, at));
      finishLine();
      from = at + 1;
    }
    if (from < chunk.length) keep(chunk.subarray(from));
  });
  let isEnded = false;
  const end = () => {
    if (isEnded) return;
    isEnded = true;
    on.end();
  };
  input.on('end', end);
  input.on('close', end);
  input.on('error', end);
}
