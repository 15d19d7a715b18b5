import { describe, expect, it } from 'vitest';
import { parseScenario } from '../src/street/scenario.js';

const HOME = {
  id: 'a-1',
  seed: 1,
  panels: [{ kwp: 5, tilt_deg: 30, azimuth_deg: 180 }],
  load: { shape: 'household', yearly_kwh: 3000 },
  battery: { kwh: 8, kw: 4 },
  meters: ['eastron-sdm630', 'sunspec-103-203'],
  start_kwh: { import: 12.345678, export: 1, generation: 2 },
};
const GOOD = { version: 1, title: 'Test', location: { lat: 47, lon: 9 }, seed: 5, homes: [HOME] };

const withHome = (change: object) => ({ ...GOOD, homes: [{ ...HOME, ...change }] });

describe('a scenario', () => {
  it('reads what it says', () => {
    const [home] = parseScenario(GOOD, 'test').homes;
    expect(home).toMatchObject({ id: 'a-1', class: 'household', battery: { kwh: 8, kw: 4 } });
    expect(home?.start?.importMwh).toBe(12_345_678);
  });

  it.each<[string, unknown, RegExp]>([
    [
      'a misspelt key, with the nearest right one',
      withHome({ batery: {} }),
      /unknown key "batery": did you mean battery\?/,
    ],
    [
      'a misspelt key deeper down',
      withHome({ load: { shape: 'shop', yearly_kw: 1 } }),
      /load: unknown key "yearly_kw": did you mean yearly_kwh\?/,
    ],
    ['a profile that does not exist', withHome({ meters: ['eastron-smd630'] }), /did you mean eastron-sdm630/],
    ['a shape that does not exist', withHome({ load: { shape: 'shopp', yearly_kwh: 1 } }), /did you mean shop\?/],
    [
      'a generation meter that has no such counter',
      withHome({ meters: ['reference', 'eastron-sdm630'] }),
      /has no counter for generation/,
    ],
    ['a generation meter without sun', withHome({ panels: [] }), /a home without panels has one meter/],
    ['an id that is none', withHome({ id: 'a b' }), /id: expected an id, got "a b"/],
    ['the same id twice', { ...GOOD, homes: [HOME, HOME] }, /two homes have the id a-1/],
    ['no homes', { ...GOOD, homes: [] }, /a list of 1 to 200/],
    ['too many homes', { ...GOOD, homes: new Array(201).fill(HOME) }, /a list of 1 to 200/],
    ['another version', { ...GOOD, version: 2 }, /version: expected a number from 1 to 1, got 2/],
    [
      'a place off the earth',
      { ...GOOD, location: { lat: 91, lon: 0 } },
      /lat: expected a number from -90 to 90, got 91/,
    ],
    ['a negative roof', withHome({ panels: [{ kwp: -1, tilt_deg: 0, azimuth_deg: 0 }] }), /kwp: expected/],
    ['a seed with a fraction', withHome({ seed: 1.5 }), /seed: expected a whole number/],
    ['an infinite counter', withHome({ start_kwh: { import: 1e300 } }), /import: expected a number/],
    ['null', null, /expected an object, got null/],
    ['a list', [], /expected an object/],
  ])('refuses %s', (_, value, message) => {
    expect(() => parseScenario(value, 'test')).toThrow(
      expect.objectContaining({ code: 'bad-scenario', message: expect.stringMatching(message) }),
    );
  });
});
