import type { Writable } from 'node:stream';
import { LedgerError } from '../core/errors.js';

/** A stream of the terminal, or a pipe. */
export interface OutStream extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/**
 * Where a command speaks. With `json` exactly one object goes to standard output and everything for people to standard
 * error; without it what was asked for goes to standard output and what happens meanwhile to standard error.
 */
export class Output {
  readonly out: OutStream;
  readonly err: OutStream;
  readonly json: boolean;

  constructor(streams: { out: OutStream; err: OutStream }, json: boolean) {
    this.out = streams.out;
    this.err = streams.err;
    this.json = json;
  }

  /** The answer: `text` for people, or `value` as the one JSON object. */
  result(value: object, text: string): void {
    if (this.json) this.out.write(`${JSON.stringify(value)}\n`);
    else if (text !== '') this.out.write(text.endsWith('\n') ? text : `${text}\n`);
  }

  /** Something by the way. */
  note(line: string): void {
    this.err.write(`${line}\n`);
  }

  /** Says what went wrong, in one sentence, and with `json` as the one object. */
  failure(error: unknown): void {
    const { code, message } = describe(error);
    if (this.json) this.out.write(`${JSON.stringify({ error: { code, message } })}\n`);
    this.err.write(`commonwatt: ${code}: ${message}\n`);
  }
}

function describe(error: unknown): { code: string; message: string } {
  if (error instanceof LedgerError) return { code: error.code, message: error.message };
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    return { code: error.code, message: error.message };
  }
  return { code: 'unexpected', message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

/** Columns under their heads, numbers to the right; two spaces between. */
export function formatTable(
  columns: readonly { readonly head: string; readonly right?: boolean }[],
  rows: readonly (readonly string[])[],
): string {
  const widths = columns.map(({ head }, i) => Math.max(head.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (cells: readonly string[]) =>
    columns
      .map(({ right }, i) => {
        const cell = cells[i] ?? '';
        return right === true ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0);
      })
      .join('  ')
      .trimEnd();
  return [line(columns.map(({ head }) => head)), ...rows.map(line)].join('\n');
}
