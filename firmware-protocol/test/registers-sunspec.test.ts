import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HoldingReader, walkSunSpec } from '../src/registers/index.js';

const MARKER = [0x5375, 0x6e53];

/** A device that answers reads of the given registers and exception 2 for everything else. */
function device(from: number, words: readonly number[]): HoldingReader & { reads: number } {
  const read = async (address: number, count: number) => {
    read.reads++;
    const start = address - from;
    if (start < 0 || start + count > words.length) throw Object.assign(new Error('exception 2'), { modbusCode: 2 });
    return words.slice(start, start + count);
  };
  read.reads = 0;
  return read;
}

const model = (id: number, length: number): number[] => [id, length, ...new Array<number>(length).fill(7)];
const chain = (...models: number[][]): number[] => [...MARKER, ...models.flat()];

describe('walkSunSpec', () => {
  it.each([40000, 50000, 0])('finds the marker at %i', async (base) => {
    const layout = await walkSunSpec(device(base, chain(model(1, 66), model(103, 50), [0xffff, 0])));
    expect(layout).toEqual({
      base,
      models: [
        { id: 1, address: base + 2, length: 66 },
        { id: 103, address: base + 70, length: 50 },
      ],
    });
  });

  it('skips vendor models by their length and takes a second common model as the device behind', async () => {
    const read = device(
      40000,
      chain(model(1, 65), model(103, 50), model(64_001, 9), model(1, 66), model(203, 105), [0xffff, 0]),
    );
    const { models } = await walkSunSpec(read);
    expect(models.map(({ id }) => id)).toEqual([1, 103, 64_001, 1, 203]);
    expect(models.at(-1)?.address).toBe(40002 + 67 + 52 + 11 + 68);
  });

  it('accepts a chain whose end has no length register, and one that just stops', async () => {
    expect((await walkSunSpec(device(0, chain(model(1, 66), [0xffff])))).models).toHaveLength(1);
    expect((await walkSunSpec(device(0, chain(model(1, 66), model(103, 50))))).models).toHaveLength(2);
  });

  it('refuses a device without a marker, and a chain that does not begin with the common model', async () => {
    const refused = { code: 'bad-sunspec' };
    await expect(walkSunSpec(device(100, [1, 2, 3]))).rejects.toMatchObject(refused);
    await expect(walkSunSpec(device(0, chain(model(103, 50), [0xffff, 0])))).rejects.toMatchObject(refused);
    await expect(walkSunSpec(device(0, chain([0xffff, 0])))).rejects.toMatchObject(refused);
  });

  it('refuses a model that leaves the address space', async () => {
    await expect(walkSunSpec(device(40000, chain([1, 0xffff])))).rejects.toMatchObject({ code: 'bad-sunspec' });
  });

  it('stops on a chain without end', async () => {
    const endless = device(0, chain(...new Array(5000).fill([1, 0])));
    await expect(walkSunSpec(endless)).rejects.toMatchObject({ code: 'bad-sunspec' });
    expect(endless.reads).toBeLessThan(80);
  });

  it('passes on that a device does not answer, instead of looking elsewhere', async () => {
    const silent: HoldingReader = async () => {
      throw Object.assign(new Error('timed out'), { errno: 'ETIMEDOUT' });
    };
    await expect(walkSunSpec(silent)).rejects.toThrow('timed out');
  });

  it('ends within a bound on whatever registers a device shows', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 400 }), async (tail) => {
        const read = device(0, [...MARKER, 1, 0, ...tail]);
        await walkSunSpec(read).catch((error) => expect(error.code).toBe('bad-sunspec'));
        expect(read.reads).toBeLessThan(80);
      }),
    );
  });
});
