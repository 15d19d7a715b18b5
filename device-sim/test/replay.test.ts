import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRegisterFile } from '../src/replay/register-file.js';
import { Replayer } from '../src/replay/replayer.js';
import { parseEnergy, parseInstant } from '../src/replay/row.js';
import { Probe, readRequest } from './support/probe.js';
import { Bench } from './support/servers.js';

const bench = new Bench();
const SHARED = new URL('../../../shared/data/', import.meta.url).pathname;
const COSSMIC = join(SHARED, 'cossmic-konstanz_60min_2016-05-01_2016-09-30.csv.gz');
const HEADER = 'utc_timestamp,household,register,value,unit';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'commonwatt-sim-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function fileOf(content: string | Buffer): Promise<string> {
  const path = join(folder, 'data.csv.gz');
  await writeFile(path, content);
  return path;
}

const read = async (content: string | Buffer) => readRegisterFile(await fileOf(content));
const rows = (...lines: string[]) => `${[HEADER, ...lines].join('\n')}\n`;
const T0 = Date.UTC(2024, 0, 1);

describe('reading a recorded file', () => {
  const plain = rows(
    '2024-01-01T00:00:00Z,a,import,1.5,kWh',
    '2024-01-01T00:00:00Z,a,pv,0,kWh',
    '2024-01-01T00:15:00Z,a,import,1.500001,kWh',
    '2024-01-01T00:15:00Z,b,export,7,kWh',
  );

  it('gives homes, registers, instants and exact values', async () => {
    const file = await read(plain);
    expect(file.homes.map(({ id, series, readings }) => [id, [...series.keys()], readings])).toEqual([
      ['a', ['import', 'pv'], 3],
      ['b', ['export'], 1],
    ]);
    expect(file.instantsMs).toEqual([T0, T0 + 900_000]);
    expect(file.homes[0]?.series.get('import')?.at(T0 + 900_000)).toBe(1_500_001);
    expect(file.homes[0]?.series.get('pv')?.at(T0)).toBe(0);
    expect(file.homes[0]?.series.get('pv')?.at(T0 + 900_000)).toBeUndefined();
    expect(file).toMatchObject({ readings: 4, duplicates: 0, blanks: 0 });
  });

  it.each<[string, string | Buffer]>([
    ['gzip', gzipSync(plain)],
    ['gzip in two members', Buffer.concat([gzipSync(plain.slice(0, 60)), gzipSync(plain.slice(60))])],
    ['CRLF', plain.replaceAll('\n', '\r\n')],
    ['a byte order mark', `\uFEFF${plain}`],
    ['no newline at the end', plain.trimEnd()],
    ['blank lines at the end', `${plain}\n\r\n\n`],
    ['quoted fields', plain.replaceAll(/[^,\n]+/g, (field) => `"${field}"`)],
    ['offsets instead of Z', plain.replaceAll('T00:15:00Z', 'T01:15:00+01:00')],
    ['fractions of zero', plain.replaceAll(':00Z', ':00.000Z')],
    ['times without seconds', plain.replaceAll(':00Z', 'Z')],
    ['a blank instead of the T', plain.replaceAll('T0', ' 0')],
    ['rows in any order', rows(...plain.trim().split('\n').slice(1).reverse())],
    [
      'columns in any order, and more of them',
      plain.replaceAll(/^(.*),(.*),(.*),(.*),(.*)$/gm, (_, ...f) => [f[4], 'note', f[3], f[0], f[2], f[1]].join()),
    ],
    ['trailing zeros beyond six decimals', plain.replaceAll('1.5,', '1.50000000,')],
    ['rows that say the same twice', plain + plain.split('\n').slice(1).join('\n')],
    ['blank values', `${plain}2024-01-01T00:30:00Z,a,import,,kWh\n2024-01-01T00:30:00Z,c,import,,kWh\n`],
  ])('does not mind %s', async (_, content) => {
    const file = await read(content);
    expect(file.instantsMs).toEqual([T0, T0 + 900_000]);
    expect(file.readings).toBe(4);
    expect(file.homes[0]?.series.get('import')?.at(T0 + 900_000)).toBe(1_500_001);
    expect(file.homes).toHaveLength(2);
  });

  it('counts what it left out: repeated rows and blank values', async () => {
    const file = await read(`${plain}2024-01-01T00:00:00Z,a,import,1.500,kWh\n2024-01-01T00:30:00Z,a,import,,kWh\n`);
    expect(file).toMatchObject({ readings: 4, duplicates: 1, blanks: 1 });
  });

  it.each<[string, string, RegExp]>([
    ['an empty file', '', /line 1: expected a header line/],
    ['a header alone', `${HEADER}\n`, /expected at least one reading/],
    [
      'a missing column',
      plain.replace('value', 'valeu'),
      /line 1: expected a header with the column value, .* is it "valeu"\?/,
    ],
    ['a column twice', plain.replace('unit', 'value'), /line 1: /],
    ['too few fields', rows('2024-01-01T00:00:00Z,a,import,1'), /line 2: expected 5 fields, got 4/],
    ['too many fields', rows('2024-01-01T00:00:00Z,a,import,1,kWh,'), /line 2: expected 5 fields, got 6/],
    ['an open quotation mark', rows('"2024-01-01T00:00:00Z,a,import,1,kWh'), /line 2: a quotation mark/],
    [
      'a household that is no id',
      rows('2024-01-01T00:00:00Z,a b,import,1,kWh'),
      /line 2: household: expected an id .* got "a b"/,
    ],
    ['a household with a blank in front', rows('2024-01-01T00:00:00Z, a,import,1,kWh'), /line 2: household/],
    ['a household too long', rows(`2024-01-01T00:00:00Z,${'a'.repeat(65)},import,1,kWh`), /line 2: household/],
    ['a household that would be a path', rows('2024-01-01T00:00:00Z,../x,import,1,kWh'), /line 2: household/],
    ['no household', rows('2024-01-01T00:00:00Z,,import,1,kWh'), /line 2: household/],
    [
      'an unknown register',
      rows('2024-01-01T00:00:00Z,a,imports,1,kWh'),
      /line 2: register: .* got "imports", is it import\?/,
    ],
    ['another unit', rows('2024-01-01T00:00:00Z,a,import,1,Wh'), /line 2: unit: expected kWh, got "Wh"/],
    ['a local time', rows('2024-01-01T00:00:00,a,import,1,kWh'), /line 2: utc_timestamp: .* got "2024-01-01T00:00:00"/],
    ['a day that does not exist', rows('2023-02-29T00:00:00Z,a,import,1,kWh'), /line 2: .* does not exist/],
    ['an hour that does not exist', rows('2024-01-01T24:00:00Z,a,import,1,kWh'), /line 2: .* does not exist/],
    ['a leap second', rows('2016-12-31T23:59:60Z,a,import,1,kWh'), /line 2: .* does not exist/],
    ['half a second', rows('2024-01-01T00:00:00.5Z,a,import,1,kWh'), /line 2: utc_timestamp/],
    ['a time before 1970', rows('1969-12-31T23:59:59Z,a,import,1,kWh'), /line 2: utc_timestamp/],
    [
      'seven decimals',
      rows('2024-01-01T00:00:00Z,a,import,1.0000001,kWh'),
      /line 2: value: .* at most six decimals, got "1.0000001"/,
    ],
    ['a negative value', rows('2024-01-01T00:00:00Z,a,import,-1,kWh'), /line 2: value/],
    ['an exponent', rows('2024-01-01T00:00:00Z,a,import,1e3,kWh'), /line 2: value/],
    ['a decimal comma', rows('2024-01-01T00:00:00Z,a,import,"1,5",kWh'), /line 2: value/],
    ['NaN', rows('2024-01-01T00:00:00Z,a,import,NaN,kWh'), /line 2: value/],
    [
      'a counter beyond 2^53 - 1 mWh',
      rows('2024-01-01T00:00:00Z,a,import,9007199254.740992,kWh'),
      /line 2: value: expected at most/,
    ],
    [
      'two values for one instant',
      rows(
        '2024-01-01T00:00:00Z,a,import,1,kWh',
        '2024-01-01T00:00:00Z,a,pv,1,kWh',
        '2024-01-01T01:00:00+01:00,a,import,2,kWh',
      ),
      /line 4: expected the value of line 2/,
    ],
    ['a line without end', `${HEADER}\n${'x'.repeat(5000)}`, /after line 1: expected lines of at most 4096/],
  ])('refuses %s and says where', async (_, content, message) => {
    await expect(read(content)).rejects.toMatchObject({ code: 'bad-file', message: expect.stringMatching(message) });
    await expect(read(content)).rejects.toThrow(folder);
  });

  it('says that a gzip file is not complete, or damaged', async () => {
    const packed = gzipSync(
      rows(
        ...Array.from(
          { length: 5000 },
          (_, index) => `${new Date(T0 + index * 6e4).toISOString()},a,import,${index},kWh`,
        ),
      ),
    );
    await expect(read(packed.subarray(0, packed.length - 100))).rejects.toThrow(/the gzip data ends in the middle/);
    const damaged = Buffer.from(packed);
    damaged[packed.length >> 1]! ^= 0xff;
    await expect(read(damaged)).rejects.toMatchObject({ code: 'bad-file' });
  });

  it('refuses a file that is not there, and a folder', async () => {
    await expect(readRegisterFile(join(folder, 'none.csv'))).rejects.toMatchObject({ code: 'bad-file' });
    await expect(readRegisterFile(folder)).rejects.toMatchObject({ code: 'bad-file' });
  });

  it('refuses whatever else comes without ending the process', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, isPacked) => {
        const content = Buffer.concat([Buffer.from(`${HEADER}\n`), Buffer.from(bytes)]);
        await expect(read(isPacked ? gzipSync(content) : content)).rejects.toMatchObject({ code: 'bad-file' });
      }),
      { numRuns: 60 },
    );
  });
});

describe('values and times', () => {
  it('are exact for every counter that a mWh can say', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (energyMwh) => {
        const digits = String(energyMwh).padStart(7, '0');
        expect(parseEnergy(`${digits.slice(0, -6)}.${digits.slice(-6)}`)).toBe(energyMwh);
      }),
    );
    expect(parseEnergy('9007199254.740991')).toBe(Number.MAX_SAFE_INTEGER);
    expect(parseEnergy('0.000001')).toBe(1);
    expect(parseEnergy('007')).toBe(7_000_000);
  });

  it('are the same instant whatever the offset', () => {
    expect(parseInstant('2024-03-31T02:30:00+02:00')).toBe(Date.UTC(2024, 2, 31, 0, 30));
    expect(parseInstant('2024-01-01T00:00:00-0530')).toBe(Date.UTC(2024, 0, 1, 5, 30));
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date('9999-12-31T00:00:00Z'), noInvalidDate: true }), (date) => {
        const text = `${date.toISOString().slice(0, 19)}Z`;
        expect(parseInstant(text)).toBe(Math.floor(date.getTime() / 1000) * 1000);
      }),
    );
  });
});

describe('showing a recorded file', () => {
  async function replay(content: string) {
    const replayer = new Replayer(await read(content), '127.0.0.1');
    bench.later(() => replayer.stop());
    await replayer.start();
    return replayer;
  }

  const words = async (port: number) => {
    const probe = await bench.probe(port);
    probe.send(readRequest(1, 4, 0, 24));
    return (await probe.take(57)).slice(18);
  };

  const NONE = 'ffffffffffffffff';

  it('shows exactly what is stamped with the instant, "not available" for the rest, and refuses without any', async () => {
    const replayer = await replay(
      rows(
        '2024-01-01T00:00:00Z,a,import,1.5,kWh',
        '2024-01-01T00:00:00Z,a,pv,0,kWh',
        '2024-01-01T00:30:00Z,a,pv,0.000007,kWh',
        '2024-01-01T00:15:00Z,b,export,7,kWh',
      ),
    );
    const [a, b] = replayer.homes.map(({ device }) => device.server.port) as [number, number];
    const refused = { code: 'ECONNREFUSED' };
    await expect(Probe.open(a)).rejects.toMatchObject(refused);

    await replayer.show(T0);
    expect(await words(a)).toBe(`000000000016e360${NONE}0000000000000000${NONE}${NONE}8000000000000001`);
    await expect(Probe.open(b)).rejects.toMatchObject(refused);

    await replayer.show(T0 + 900_000);
    await expect(Probe.open(a)).rejects.toMatchObject(refused);
    expect((await words(b)).slice(16, 32)).toBe('00000000006acfc0');

    await replayer.show(T0 + 1_800_000);
    expect((await words(a)).slice(0, 48)).toBe(`${NONE}${NONE}0000000000000007`);

    await replayer.show(T0 + 1);
    await expect(Probe.open(a)).rejects.toMatchObject(refused);
    await expect(Probe.open(b)).rejects.toMatchObject(refused);
    expect(replayer.stats.requests).toBe(3);
  });

  it.skipIf(!existsSync(COSSMIC))(
    'carries every value of a real file over Modbus: the shared energy is its published check value (skipped where ../shared/data is absent)',
    async () => {
      const replayer = new Replayer(await readRegisterFile(COSSMIC), '127.0.0.1');
      bench.later(() => replayer.stop());
      await replayer.start();
      const { instantsMs } = await readRegisterFile(COSSMIC);
      const probes = new Map<number, Probe>();
      const counters = async (port: number): Promise<{ importMwh: bigint; exportMwh: bigint } | undefined> => {
        let probe = probes.get(port);
        if (probe === undefined || probe.isClosed) {
          probe = await Probe.open(port);
          bench.later(() => probe?.close());
          probes.set(port, probe);
        }
        probe.send(readRequest(1, 4, 0, 8));
        const hex = (await probe.take(25)).slice(18);
        const [importMwh, exportMwh] = [BigInt(`0x${hex.slice(0, 16)}`), BigInt(`0x${hex.slice(16)}`)];
        return importMwh === 0xffff_ffff_ffff_ffffn ? undefined : { importMwh, exportMwh };
      };
      let before: Awaited<ReturnType<typeof counters>>[] = [];
      let sharedMwh = 0n;
      for (const timeMs of instantsMs) {
        await replayer.show(timeMs);
        const now = await Promise.all(replayer.homes.map(({ device }) => counters(device.server.port)));
        const nets = now.flatMap((one, index) => {
          const last = before[index];
          if (one === undefined || last === undefined) return [];
          const hasExport = one.exportMwh !== 0xffff_ffff_ffff_ffffn && last.exportMwh !== 0xffff_ffff_ffff_ffffn;
          return [(hasExport ? one.exportMwh - last.exportMwh : 0n) - (one.importMwh - last.importMwh)];
        });
        const surplus = nets.reduce((sum, net) => (net > 0n ? sum + net : sum), 0n);
        const deficit = nets.reduce((sum, net) => (net < 0n ? sum - net : sum), 0n);
        if (surplus < deficit) sharedMwh += surplus;
        else sharedMwh += deficit;
        before = now;
      }
      expect(sharedMwh).toBe(1_966_071_000n);
      expect(replayer.stats.requests).toBe(instantsMs.length * 6);
    },
    60_000,
  );
});
