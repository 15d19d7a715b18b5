import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeptClock } from '../src/cli/demo/clock-file.js';
import { DemoFolder } from '../src/cli/demo/demo-folder.js';
import { Screen } from '../src/cli/demo/screen.js';
import { renderTable, type TableView } from '../src/cli/demo/table.js';
import type { OutStream } from '../src/cli/output.js';
import { Progress } from '../src/cli/progress.js';
import { spanOf, stepsOf } from '../src/cli/replay/instants.js';
import { IntervalsCsv } from '../src/cli/replay/intervals-csv.js';
import { problemsOf, type Report } from '../src/cli/replay/report.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'commonwatt-pages-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

class Collector extends Writable {
  text = '';
  isTTY = false;
  columns = 80;
  rows = 24;
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

function view(homes: number, notes = 0): TableView {
  return {
    title: 'sunny-street',
    nowMs: Date.UTC(2024, 5, 1, 12, 34),
    speed: 288,
    logSize: 1_234_567,
    commonsMicro: 12_345n,
    footer: [
      'REST http://127.0.0.1:8080   docs http://127.0.0.1:8080/docs   Ctrl-C stops',
      ...Array(notes).fill('note'),
    ],
    rows: Array.from({ length: homes }, (_, i) => ({
      home: `a-home-with-a-rather-long-name-${i}`,
      sunW: 12_345.6,
      useW: i === 0 ? undefined : 987,
      receivedMwh: 123_456_789,
      deliveredMwh: 0,
      amountMicro: -99_999_999n,
      lastReceiptS: 1_717_245_240,
      ...(i === 1 && { trouble: 'restarting' }),
    })),
  };
}

describe('the table of the street', () => {
  it('fits 80 by 24 with ten homes', () => {
    const lines = renderTable(view(10, 2), { columns: 80, rows: 24 });
    expect(lines.length).toBeLessThanOrEqual(24);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    for (const head of ['home', 'sun now', 'use now', 'received', 'delivered', 'balance', 'last receipt']) {
      expect(lines[2]).toContain(head);
    }
    expect(lines.join('\n')).toContain('docs http://127.0.0.1:8080/docs');
    expect(lines.filter((line) => line.startsWith('a-home'))).toHaveLength(10);
  });

  it('fits any terminal, whatever its size', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 0, max: 80 }),
        (columns, rows, homes) => {
          const lines = renderTable(view(homes), { columns, rows });
          expect(lines.length).toBeLessThanOrEqual(rows);
          for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
        },
      ),
    );
  });

  it('says how many homes do not fit', () => {
    expect(renderTable(view(50), { columns: 80, rows: 24 }).join('\n')).toMatch(/\.\.\. and \d+ more homes/);
  });

  it('is drawn in place on a terminal and gives the cursor back', () => {
    const stream = new Collector();
    stream.isTTY = true;
    const screen = new Screen(stream as OutStream, () => ['first', 'second']);
    screen.start();
    screen.draw();
    expect(stream.text).toContain('\u001b[?25l');
    expect(stream.text.split('\u001b[2J')).toHaveLength(2);
    screen.stop();
    expect(stream.text.endsWith('\u001b[?25h\u001b[?1049lfirst\nsecond\n')).toBe(true);
  });

  it('is plain lines elsewhere', () => {
    const stream = new Collector();
    const screen = new Screen(stream as OutStream, () => ['first', 'second']);
    screen.start();
    screen.stop();
    expect(stream.text).toBe('first\nsecond\n');
  });
});

describe('progress', () => {
  it('is a bar on a terminal that goes away, and a line now and then elsewhere', () => {
    let nowMs = 0;
    for (const isTTY of [true, false]) {
      const stream = new Collector();
      stream.isTTY = isTTY;
      nowMs = 0;
      const progress = new Progress({
        stream: stream as OutStream,
        label: 'replay',
        total: 1_000,
        monotonicMs: () => nowMs,
      });
      for (let done = 1; done <= 1_000; done += 1) {
        nowMs += 20;
        progress.update(done, 'noon');
      }
      progress.finish();
      if (isTTY) {
        expect(stream.text).toContain('█');
        expect(stream.text).not.toContain('\n');
        expect(stream.text.endsWith('\r\u001b[2K')).toBe(true);
      } else {
        expect(stream.text.trimEnd().split('\n')).toHaveLength(4);
        expect(stream.text).toContain('replay: 25 %, noon');
      }
    }
  });
});

describe('the clock of a street between two runs', () => {
  it('goes on where an orderly end left it', () => {
    const file = join(folder, 'clock.json');
    const first = new KeptClock(file, { firstMs: 1_000_000, speed: 1_000 });
    first.start();
    const leftMs = first.clock.nowMs();
    first.stop();
    const second = new KeptClock(file, { firstMs: 5, speed: 1 });
    expect(second.clock.nowMs()).toBeGreaterThanOrEqual(leftMs);
    expect(second.clock.nowMs()).toBeLessThan(leftMs + 1_000_000);
  });

  it('never shows an instant twice after a sudden end', () => {
    const file = join(folder, 'clock.json');
    const first = new KeptClock(file, { firstMs: 1_000_000, speed: 288 });
    first.start();
    const kept = JSON.parse(readFileSync(file, 'utf8')).base_ms as number;
    expect(kept).toBeGreaterThanOrEqual(first.clock.nowMs() + 1_900 * 288 - 288_000);
    expect(new KeptClock(file, { firstMs: 5, speed: 1 }).clock.nowMs()).toBeGreaterThanOrEqual(kept);
    first.stop();
  });

  it.each(['', '{}', '{"base_ms": -1}', '{"base_ms": "x"}', '{"base_ms": 1e15}'])(
    'refuses a damaged file: %s',
    (text) => {
      const file = join(folder, 'clock.json');
      writeFileSync(file, text);
      expect(() => new KeptClock(file, { firstMs: 0, speed: 1 })).toThrow(/clock\.json/);
    },
  );
});

describe('the folder of a street', () => {
  it('is never cleared when it holds something else', () => {
    writeFileSync(join(folder, 'thesis.txt'), 'years of work');
    expect(() => new DemoFolder(folder).clear()).toThrow('holds something that is no demo street');
    expect(readFileSync(join(folder, 'thesis.txt'), 'utf8')).toBe('years of work');
  });

  it('remembers its homes', () => {
    const demo = new DemoFolder(join(folder, 'new'));
    expect(demo.hasStreet()).toBe(false);
    demo.remember(12);
    expect(demo.homes()).toBe(12);
    demo.clear();
    expect(demo.hasStreet()).toBe(false);
  });
});

describe('the steps of a replay', () => {
  const noonMs = Date.UTC(2024, 0, 1, 12);

  it('are the file’s instants and every edge between, each once', () => {
    const instants = [noonMs, noonMs + 7 * 60_000, noonMs + 45 * 60_000];
    const span = spanOf({ firstMs: noonMs, lastMs: noonMs + 45 * 60_000 }, 900);
    expect(span.total).toBe(3);
    const minutes = stepsOf(instants, span, 900).map((ms) => (ms - noonMs) / 60_000);
    expect(minutes).toEqual([0, 7, 15, 30, 45]);
  });

  it('count only whole intervals, with readings that stand for an edge within 1 percent', () => {
    const span = (firstS: number, lastS: number) =>
      spanOf({ firstMs: noonMs + firstS * 1_000, lastMs: noonMs + lastS * 1_000 }, 900).total;
    expect(span(9, 891)).toBe(1);
    expect(span(10, 891)).toBe(0);
    expect(span(9, 890)).toBe(0);
    expect(span(1, 1_801)).toBe(2);
    expect(span(0, 0)).toBe(0);
    expect(span(60, 120)).toBe(0);
  });
});

describe('what a replay says', () => {
  const good: Report = {
    community: 'replay-1',
    total: 2,
    seconds: 1,
    outcome: {
      settled: 1,
      homes: [],
      sharedMwh: 0,
      sumMicro: 0n,
      sumMwh: 0,
      readings: { stored: 10, booked: 8 },
      log: { size: 1, root: 'aa' },
      balancesRoot: 'bb',
    },
    counts: {
      file: { readings: 10 },
      modbus: { bySimulator: 5, byGateways: 5 },
      mqtt: { byBroker: 4, byGateways: 4 },
      gateways: { pending: 0, refused: 0 },
      frames: { accepted: 4, duplicate: 0, refused: 0 },
    },
  };

  it('is no problem when every count agrees', () => {
    expect(problemsOf(good)).toEqual([]);
  });

  it.each([
    [{ ...good, counts: { ...good.counts, file: { readings: 11 } } }, 'the file has 11, 10 arrived'],
    [{ ...good, counts: { ...good.counts, modbus: { bySimulator: 5, byGateways: 6 } } }, 'Modbus requests'],
    [{ ...good, counts: { ...good.counts, mqtt: { byBroker: 3, byGateways: 4 } } }, 'frames published'],
    [{ ...good, counts: { ...good.counts, gateways: { pending: 1, refused: 0 } } }, 'without an answer'],
    [{ ...good, counts: { ...good.counts, frames: { accepted: 3, duplicate: 0, refused: 1 } } }, 'refused: 1'],
    [{ ...good, outcome: { ...good.outcome, sumMicro: 1n } }, 'expected zero'],
  ])('names what does not agree (%#)', (report, sentence) => {
    expect(problemsOf(report)).toHaveLength(1);
    expect(problemsOf(report)[0]).toContain(sentence);
  });

  it('writes a row for every home in every interval, by time, then home', () => {
    const file = join(folder, 'out.csv');
    const csv = new IntervalsCsv(file);
    const took = { importMwh: 1_500, exportMwh: 0, receivedMwh: 1, deliveredMwh: 0, quality: 0 } as const;
    csv.add(1_704_110_400, [{ home: 'b', took }, { home: 'a' }]);
    csv.close();
    expect(readFileSync(file, 'utf8')).toBe(
      [
        'utc_timestamp,home,import_kwh,export_kwh,received_kwh,delivered_kwh,quality',
        '2024-01-01T12:00:00Z,a,,,,,missing',
        '2024-01-01T12:00:00Z,b,0.001500,0.000000,0.000001,0.000000,measured',
        '',
      ].join('\n'),
    );
  });

  it('refuses a path it cannot write to before the work', () => {
    expect(() => new IntervalsCsv(join(folder, 'no', 'out.csv'))).toThrow('cannot be written (ENOENT)');
  });
});
