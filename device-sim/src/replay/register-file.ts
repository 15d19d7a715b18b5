import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { messageOf, SimError } from '../errors.js';
import { type ColumnPlaces, parseHeader, parseRow, REGISTERS, type RegisterName, RowError } from './row.js';
import { type Series, SeriesBuilder, SeriesConflict } from './series.js';

export interface RecordedHome {
  readonly id: string;
  /** The registers that the file has a reading of, in the order import, export, pv. */
  readonly series: ReadonlyMap<RegisterName, Series>;
  readonly readings: number;
}

/** A whole recorded file. Homes in the order of their ids. */
export interface RegisterFile {
  readonly homes: readonly RecordedHome[];
  /** Every time that any reading is stamped with, once, ascending. */
  readonly instantsMs: readonly number[];
  /** Readings kept: rows that say the same twice count once, blank values not at all. */
  readonly readings: number;
  readonly duplicates: number;
  readonly blanks: number;
}

const MAX_ROWS = 20_000_000;
/** Each home is a server of its own. */
const MAX_HOMES = 1000;
const MAX_LINE_CHARACTERS = 4096;
const GZIP_MAGIC = [0x1f, 0x8b];
const BYTE_ORDER_MARK = '\u00ef\u00bb\u00bf';

/**
 * Untrusted: a file from anywhere, plain or gzip (told by its first two bytes). Throws `bad-file` that names file,
 * line, what was expected and what came.
 */
export async function readRegisterFile(path: string): Promise<RegisterFile> {
  const collector = new Collector();
  let line = 0;
  try {
    for await (const text of readLines(path)) collector.take(text, ++line);
    return collector.finish();
  } catch (error) {
    const at = error instanceof SeriesConflict ? error.line : Math.max(line, 1);
    if (error instanceof RowError) throw new SimError('bad-file', `${path}, line ${at}: ${error.message}`);
    const where = line === 0 ? path : `${path}, after line ${line}`;
    throw new SimError('bad-file', `${where}: ${explain(error)}`, { cause: error });
  }
}

function explain(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'Z_BUF_ERROR') return 'the gzip data ends in the middle: the file is not complete';
  if (typeof code === 'string' && code.startsWith('Z_')) return `the gzip data is damaged: ${messageOf(error)}`;
  return messageOf(error);
}

/** Lines without their end (LF or CRLF). Bytes are taken as Latin-1: everything that may stand in a row is ASCII. */
async function* readLines(path: string): AsyncGenerator<string> {
  const isPacked = await isGzip(path);
  const file = createReadStream(path);
  const stream = isPacked ? file.pipe(createGunzip()) : file;
  // An error of the file does not travel through pipe().
  file.on('error', (error) => stream.destroy(error));
  let rest = '';
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const lines = (rest + chunk.toString('latin1')).split('\n');
      rest = lines.pop()!;
      for (const line of lines) yield checkLength(line.endsWith('\r') ? line.slice(0, -1) : line);
      checkLength(rest);
    }
  } finally {
    file.destroy();
  }
  if (rest !== '') yield rest.endsWith('\r') ? rest.slice(0, -1) : rest;
}

function checkLength(line: string): string {
  if (line.length <= MAX_LINE_CHARACTERS) return line;
  throw new SimError('bad-file', `expected lines of at most ${MAX_LINE_CHARACTERS} characters, the next is longer`);
}

async function isGzip(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === GZIP_MAGIC[0] && buffer[1] === GZIP_MAGIC[1];
  } finally {
    await file.close();
  }
}

class Collector {
  readonly #homes = new Map<string, Map<RegisterName, SeriesBuilder>>();
  readonly #instants = new Set<number>();
  #places: ColumnPlaces | undefined;
  #rows = 0;
  #blanks = 0;
  #lastMs = Number.NaN;

  take(text: string, line: number): void {
    const clean = line === 1 && text.startsWith(BYTE_ORDER_MARK) ? text.slice(BYTE_ORDER_MARK.length) : text;
    if (this.#places === undefined) this.#places = parseHeader(clean);
    else if (clean.trim() !== '') this.#takeRow(clean, line, this.#places);
  }

  #takeRow(text: string, line: number, places: ColumnPlaces): void {
    const { timeMs, household, register, energyMwh } = parseRow(text, places);
    if (energyMwh === undefined) {
      this.#blanks++;
      return;
    }
    if (++this.#rows > MAX_ROWS) throw new RowError(`expected at most ${MAX_ROWS} readings`);
    this.#builder(household, register).add(timeMs, energyMwh, line);
    if (timeMs !== this.#lastMs) this.#instants.add(timeMs);
    this.#lastMs = timeMs;
  }

  #builder(household: string, register: RegisterName): SeriesBuilder {
    let home = this.#homes.get(household);
    if (home === undefined) {
      if (this.#homes.size >= MAX_HOMES) throw new RowError(`expected at most ${MAX_HOMES} households`);
      home = new Map();
      this.#homes.set(household, home);
    }
    let builder = home.get(register);
    if (builder === undefined) {
      builder = new SeriesBuilder();
      home.set(register, builder);
    }
    return builder;
  }

  finish(): RegisterFile {
    if (this.#places === undefined) throw new RowError('expected a header line, got an empty file');
    if (this.#rows === 0) throw new RowError('expected at least one reading, got none');
    let duplicates = 0;
    const homes: RecordedHome[] = [];
    for (const id of [...this.#homes.keys()].sort()) {
      const home = this.#homes.get(id)!;
      const series = new Map<RegisterName, Series>();
      for (const register of REGISTERS) {
        const built = home.get(register)?.build();
        if (built === undefined) continue;
        series.set(register, built.series);
        duplicates += built.duplicates;
      }
      homes.push({ id, series, readings: [...series.values()].reduce((sum, one) => sum + one.size, 0) });
    }
    const instantsMs = [...this.#instants].sort((a, b) => a - b);
    return { homes, instantsMs, readings: this.#rows - duplicates, duplicates, blanks: this.#blanks };
  }
}
