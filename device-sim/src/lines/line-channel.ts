import type { Readable, Writable } from 'node:stream';

/** One line from the parent, or a line that was longer than any may be. */
export type Line = { readonly kind: 'line'; readonly text: string } | { readonly kind: 'too-long' };

export const MAX_LINE_BYTES = 1024 * 1024;
/** The answer to `load` lists every instant of a file. */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Untrusted: lines of UTF-8 from a stream, each at most 1 MiB; of a longer one nothing but that is kept. */
export async function* readLines(stream: Readable): AsyncGenerator<Line> {
  let rest = Buffer.alloc(0);
  let isSkipping = false;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
      const line = bytes.subarray(0, end);
      bytes = bytes.subarray(end + 1);
      if (isSkipping) isSkipping = false;
      else if (line.length > MAX_LINE_BYTES) yield { kind: 'too-long' };
      else yield { kind: 'line', text: line.toString('utf8') };
    }
    if (bytes.length > MAX_LINE_BYTES) {
      if (!isSkipping) yield { kind: 'too-long' };
      isSkipping = true;
    }
    rest = Buffer.from(isSkipping ? Buffer.alloc(0) : bytes);
  }
  if (rest.length > 0) yield { kind: 'line', text: rest.toString('utf8') };
}

/** Writes one JSON object as a line and waits until the reader keeps up. */
export async function writeLine(stream: Writable, value: object): Promise<void> {
  if (stream.write(`${JSON.stringify(value)}\n`)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      stream.off('drain', done);
      stream.off('close', done);
      resolve();
    };
    stream.once('drain', done);
    stream.once('close', done);
  });
}
