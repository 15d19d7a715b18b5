/** A recorded street through the whole river: real Modbus, signed frames, real MQTT, settlement, and every reading accounted for. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GroupProcess } from './support/group-process.js';
import { run } from './support/program.js';
import { TempFolder } from './support/temp-folder.js';
import { until } from './support/until.js';

const HEADER = 'utc_timestamp,household,register,value,unit';
const SHARED_DATA = new URL('../../../shared/data/', import.meta.url);
const VUB = new URL('vub-testhouses_15min_2024-01-01_2024-03-31.registers.csv.gz', SHARED_DATA);
const noData = existsSync(VUB) ? '' : ': needs ../shared/data, which is not here';

interface Row {
  readonly utc_timestamp: string;
  readonly home: string;
  readonly import_kwh: string;
  readonly export_kwh: string;
  readonly received_kwh: string;
  readonly delivered_kwh: string;
  readonly quality: string;
}

interface Answer {
  readonly intervals: { readonly settled: number; readonly total: number };
  readonly homes: readonly Readonly<Record<string, string>>[];
  readonly shared_kwh: string;
  readonly sums: { readonly credits: string; readonly energy_kwh: string };
  readonly modbus: { readonly requests: number };
  readonly mqtt: { readonly publishes: number };
  readonly frames: { readonly accepted: number; readonly duplicate: number; readonly refused: number };
  readonly readings: { readonly file: number; readonly booked: number; readonly left_out: number };
  readonly balances_root: string;
}

let folder: TempFolder;

beforeEach(() => {
  folder = new TempFolder('recorded');
});

afterEach(() => folder.remove());

/** Values of registers at minutes after noon; a gap where nothing is given. */
function recorded(series: Readonly<Record<string, Readonly<Record<number, string>>>>): string {
  const lines = Object.entries(series).flatMap(([name, values]) =>
    Object.entries(values).map(([minute, value]) => {
      const time = new Date(Date.UTC(2024, 0, 1, 12) + Number(minute) * 60_000).toISOString().replace('.000Z', 'Z');
      return `${time},${name.replace('/', ',')},${value},kWh`;
    }),
  );
  const file = folder.at('street.csv');
  writeFileSync(file, [HEADER, ...lines, ''].join('\n'));
  return file;
}

async function replay(file: string, ...more: string[]): Promise<{ answer: Answer; rows: readonly Row[] }> {
  const csv = folder.at('out.csv');
  const args = ['replay', file, '--interval', '15m', '--intervals', csv, '--json', ...more];
  const answer = (await run('commonwatt', args)) as unknown as Answer;
  return { answer, rows: parseCsv(readFileSync(csv, 'utf8')) };
}

function parseCsv(text: string): Row[] {
  const [head = '', ...lines] = text.trimEnd().split('\n');
  const columns = head.split(',');
  return lines.map((line) => {
    const cells = line.split(',');
    return Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? ''])) as unknown as Row;
  });
}

const took = (rows: readonly Row[], home: string) => rows.filter((row) => row.home === home).map((row) => row.quality);

describe('a recorded street', () => {
  it('is shared by the formula, to the last millionth, and its money sums to zero', async () => {
    const { answer, rows } = await replay(
      recorded({
        'a/import': { 0: '0', 15: '0.300001', 30: '0.300001' },
        'b/import': { 0: '5.5', 15: '5.6', 30: '5.700000' },
        'c/import': { 0: '7', 15: '7', 30: '7' },
        'c/export': { 0: '1', 15: '1.2', 30: '1.25' },
        'c/pv': { 0: '10', 15: '10.4', 30: '10.9' },
      }),
      '--levy',
      '1000',
    );
    expect(answer.intervals).toEqual({ settled: 2, total: 2 });
    expect(answer.shared_kwh).toBe('0.250000');
    expect(answer.sums).toEqual({ credits: '0.000000', energy_kwh: '0.000000' });
    expect(answer.readings).toEqual({ file: 15, booked: 15, left_out: 0 });
    expect(answer.frames).toEqual({ accepted: 9, duplicate: 0, refused: 0 });
    expect(answer.modbus.requests).toBe(9);
    expect(answer.mqtt.publishes).toBe(9);
    const received = rows.map((row) => row.received_kwh);
    expect(received).toEqual(['0.150000', '0.050000', '0.000000', '0.000000', '0.050000', '0.000000']);
    // 250 Wh at 0.12 credits a kWh, a tenth of it for the fund.
    expect(answer.homes.map(({ id, credits }) => [id, credits])).toEqual([
      ['a', '-0.018000'],
      ['b', '-0.012000'],
      ['c', '0.027000'],
    ]);
  });

  it('leaves out a home without a reading at both edges, and nobody else', async () => {
    const { answer, rows } = await replay(
      recorded({
        'a/import': { 0: '0', 15: '0.1', 45: '0.3', 60: '0.4' },
        'b/import': { 0: '0', 15: '0', 30: '0', 45: '0', 60: '0' },
        'b/export': { 0: '0', 15: '1', 30: '2', 45: '3', 60: '4' },
      }),
    );
    expect(answer.intervals).toEqual({ settled: 4, total: 4 });
    expect(took(rows, 'a')).toEqual(['measured', 'missing', 'missing', 'measured']);
    expect(took(rows, 'b')).toEqual(['measured', 'measured', 'measured', 'measured']);
    expect(rows[2]).toMatchObject({ home: 'a', import_kwh: '', export_kwh: '', received_kwh: '', delivered_kwh: '' });
    expect(answer.shared_kwh).toBe('0.200000');
    expect(answer.homes[0]).toMatchObject({ id: 'a', import_kwh: '0.200000' });
  });

  it('spreads what a home used in an outage evenly over it with --missing estimate, and leaves out what never ends', async () => {
    const every = (start: number, step: number) =>
      Object.fromEntries([0, 15, 30, 45, 60, 75, 90].map((minute, i) => [minute, `${start + i * step}`]));
    const file = recorded({
      'a/import': { 0: '0', 15: '0.1', 60: '0.400001', 75: '0.5' },
      'b/import': every(0, 0),
      'b/export': every(0, 1),
    });
    const { answer, rows } = await replay(file, '--missing', 'estimate');
    const ofA = rows.filter(({ home }) => home === 'a');
    expect(took(rows, 'a')).toEqual(['measured', 'estimated', 'estimated', 'estimated', 'measured', 'missing']);
    const imports = ['0.100000', '0.100000', '0.100000', '0.100001', '0.099999', ''];
    expect(ofA.map((row) => row.import_kwh)).toEqual(imports);
    expect(ofA.map((row) => row.received_kwh)).toEqual(imports);
    expect(answer).toMatchObject({ shared_kwh: '0.500000', sums: { credits: '0.000000' } });
    expect(answer.homes[0]).toMatchObject({ import_kwh: '0.500000', received_kwh: '0.500000' });
    expect(answer.readings).toEqual({ file: 18, booked: 18, left_out: 0 });
  });

  it('ends with --missing wait as with leave-out: what is recorded comes in its time or never', async () => {
    const file = recorded({
      'a/import': { 0: '0', 15: '0.1', 45: '0.3', 60: '0.4' },
      'b/import': { 0: '0', 15: '0', 30: '0', 45: '0', 60: '0' },
      'b/export': { 0: '0', 15: '1', 30: '2', 45: '3', 60: '4' },
    });
    const waited = await replay(file, '--missing', 'wait');
    const leftOut = await replay(file);
    expect(waited.rows).toEqual(leftOut.rows);
    expect(waited.answer.balances_root).toBe(leftOut.answer.balances_root);
  });

  it('counts an ended import register as gone, though the export goes on, and another register as zero', async () => {
    const { answer, rows } = await replay(
      recorded({
        'a/import': { 0: '0', 15: '0.2', 30: '0.4' },
        'b/import': { 0: '0', 15: '0' },
        'b/export': { 0: '0', 15: '1', 30: '2' },
        'c/import': { 0: '3', 15: '3.1', 30: '3.2' },
        'c/export': { 30: '9' },
        'd/export': { 0: '0', 15: '0.05', 30: '0.1' },
      }),
    );
    expect(took(rows, 'b')).toEqual(['measured', 'missing']);
    expect(took(rows, 'c')).toEqual(['measured', 'measured']);
    expect(took(rows, 'd')).toEqual(['measured', 'measured']);
    expect(answer.shared_kwh).toBe('0.350000');
    expect(answer.readings).toEqual({ file: 15, booked: 13, left_out: 2 });
  });

  it('takes a reading near an edge for the edge and lets one in between go by', async () => {
    const csv = folder.at('near.csv');
    const rows = [
      '2024-01-01T12:00:09Z,a,import,0,kWh',
      '2024-01-01T12:07:00Z,a,import,0.4,kWh',
      '2024-01-01T12:14:51Z,a,import,1,kWh',
      '2024-01-01T12:30:10Z,a,import,2,kWh',
    ];
    writeFileSync(csv, [HEADER, ...rows, ''].join('\n'));
    const { answer } = await replay(csv);
    expect(answer.intervals).toEqual({ settled: 1, total: 2 });
    expect(answer.homes[0]).toMatchObject({ import_kwh: '1.000000' });
    expect(answer.readings).toEqual({ file: 4, booked: 2, left_out: 2 });
  });

  it('leaves out for one interval only who imports or exports beyond --max-kw', async () => {
    const file = recorded({
      'a/import': { 0: '0', 15: '1', 30: '1.1', 45: '1.2' },
      'b/import': { 0: '0', 15: '0', 30: '0', 45: '0' },
      'b/export': { 0: '0', 15: '0.5', 30: '40', 45: '40.5' },
      'c/import': { 0: '0', 15: '1.000001', 30: '1.1', 45: '1.2' },
    });
    const { rows } = await replay(file, '--max-kw', '4');
    expect(took(rows, 'a')).toEqual(['measured', 'measured', 'measured']);
    expect(took(rows, 'b')).toEqual(['measured', 'missing', 'measured']);
    expect(took(rows, 'c')).toEqual(['missing', 'measured', 'measured']);
    expect(rows.filter((row) => row.home === 'c').map((row) => row.import_kwh)).toEqual(['', '0.099999', '0.100000']);
    const without = await replay(file);
    expect(took(without.rows, 'b')).toEqual(['measured', 'measured', 'measured']);
  });

  it('gives the same balances every time, by whichever broker, and keeps what --data names', async () => {
    const file = recorded({
      'a/import': { 0: '0', 15: '0.000001', 30: '0.5' },
      'b/import': { 0: '0', 15: '0.000001', 30: '0.5' },
      'c/import': { 0: '0', 15: '0', 30: '0' },
      'c/export': { 0: '0', 15: '0.000001', 30: '0.000002' },
    });
    const first = await replay(file);
    const second = await replay(file, '--data', folder.at('kept'));
    expect(second.answer.balances_root).toBe(first.answer.balances_root);
    const rebuilt = await run('commonwatt', ['rebuild', '--data', folder.at('kept'), '--json']);
    expect(rebuilt).toMatchObject({ equal: true });
    const again = await run(
      'commonwatt',
      ['replay', file, '--interval', '15m', '--data', folder.at('kept'), '--json'],
      1,
    );
    expect(again).toMatchObject({ error: { code: 'conflict' } });
  });

  it('refuses a file that is none, with its line', async () => {
    const file = folder.at('bad.csv');
    writeFileSync(
      file,
      [HEADER, '2024-01-01T12:00:00Z,a,import,1,kWh', '2024-01-01T12:00:00Z,-b,import,1,kWh', ''].join('\n'),
    );
    const answer = await run('commonwatt', ['replay', file, '--interval', '15m', '--json'], 1);
    expect(answer).toMatchObject({ error: { code: 'bad-file', message: expect.stringContaining('line 3') } });
    const missing = await run('commonwatt', ['replay', folder.at('none.csv'), '--interval', '15m', '--json'], 1);
    expect(missing).toMatchObject({
      error: { code: 'bad-file', message: expect.stringContaining('there is no such file') },
    });
  });

  it('takes its temporary folder and its processes with it when it is interrupted', async () => {
    const values = Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [i * 15, `${i}`]));
    const file = recorded({ 'a/import': values });
    const program = new GroupProcess(['replay', file, '--interval', '15m', '--json']);
    const folders = () =>
      [tmpdir(), '/dev/shm']
        .flatMap((parent) => (existsSync(parent) ? readdirSync(parent) : []))
        .filter((name) => name.startsWith(`commonwatt-replay-${program.pid}-`));
    await until('the replay has its folder', 20_000, () => folders().length === 1 && program.children().length === 2);
    program.signal('SIGINT');
    program.signal('SIGINT');
    expect(await program.exited(5_000)).toBe(1);
    expect(JSON.parse(program.stdout)).toMatchObject({ error: { message: expect.stringContaining('interrupted') } });
    expect(folders()).toEqual([]);
    expect(program.children()).toEqual([]);
  });
});

describe.skipIf(noData !== '')(`a day of real houses${noData}`, () => {
  it('is shared as the formula says', async () => {
    const [header, ...lines] = gunzipSync(readFileSync(VUB)).toString().trimEnd().split('\n');
    const day = lines.filter((line) => line >= '2024-03-05T00:00' && line <= '2024-03-06T00:01');
    const file = folder.at('day.csv');
    writeFileSync(file, [header, ...day, ''].join('\n'));
    const { answer, rows } = await replay(file);
    const expected = formula(day, 900);
    expect(answer.intervals).toEqual({ settled: 96, total: 96 });
    expect(Number(answer.shared_kwh)).toBeCloseTo(expected.sharedKwh, 6);
    for (const home of answer.homes) {
      expect(Number(home.received_kwh)).toBeCloseTo(expected.received.get(home.id ?? '') ?? 0, 3);
      expect(Number(home.delivered_kwh)).toBeCloseTo(expected.delivered.get(home.id ?? '') ?? 0, 3);
    }
    expect(rows).toHaveLength(96 * 4);
  }, 60_000);
});

/** Dynamic pro rata in plain floats: a second opinion. */
function formula(lines: readonly string[], stepS: number) {
  const values = new Map<string, number>();
  const homes = new Set<string>();
  const times = new Set<number>();
  for (const line of lines) {
    const [time = '', home = '', register = '', value = ''] = line.split(',');
    const timeS = Date.parse(time) / 1_000;
    values.set(`${home} ${register} ${timeS}`, Number(value));
    homes.add(home);
    times.add(timeS);
  }
  const received = new Map<string, number>();
  const delivered = new Map<string, number>();
  let sharedKwh = 0;
  for (const timeS of times) {
    const rise = (home: string, register: string) => {
      const [from, to] = [timeS, timeS + stepS].map((at) => values.get(`${home} ${register} ${at}`));
      return from === undefined || to === undefined ? undefined : to - from;
    };
    const nets = [...homes].flatMap((home) => {
      const imported = rise(home, 'import');
      return imported === undefined ? [] : [{ home, net: (rise(home, 'export') ?? 0) - imported }];
    });
    const need = nets.reduce((sum, { net }) => sum + Math.max(0, -net), 0);
    const offer = nets.reduce((sum, { net }) => sum + Math.max(0, net), 0);
    const shared = Math.min(need, offer);
    sharedKwh += shared;
    for (const { home, net } of nets) {
      if (net < 0) received.set(home, (received.get(home) ?? 0) + (shared * -net) / need);
      if (net > 0) delivered.set(home, (delivered.get(home) ?? 0) + (shared * net) / offer);
    }
  }
  return { received, delivered, sharedKwh };
}
