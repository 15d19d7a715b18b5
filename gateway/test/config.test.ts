import { describe, expect, it } from 'vitest';
import { parseConfig } from '../src/config.js';

const HEX = 'ab'.repeat(32);

const good = {
  version: 1,
  community: 'street',
  origin: 'test.example/street',
  gateway: 'green-door',
  member: 'm-1',
  mqtt: 'mqtt://127.0.0.1:1883',
  log_key: HEX,
  answer_key: HEX,
  first_previous: HEX,
  interval_s: 900,
  poll_s: 0,
  seal: 'edge',
  meters: [
    {
      index: 1,
      id: 'meter-1',
      profile: 'reference',
      host: '127.0.0.1',
      port: 1502,
      unit: 1,
      channels: [{ quantity: 1, exponent: -3, width_bits: 64, limit_w: 0 }],
    },
  ],
};

const [meter] = good.meters;

describe('a configuration', () => {
  it('that enrolment wrote is taken, with the defaults of what it leaves out', () => {
    const config = parseConfig(good);
    expect(config).toMatchObject({ gateway: 'green-door', pollS: 0, outboxLimit: 100_000, clock: { source: 2 } });
    expect(config.meters[0]).toMatchObject({ generation: 1, unit: 1, profile: { name: 'reference' } });
  });

  it.each([
    ['a key that is none', { ...good, intervall_s: 900 }, /no key "intervall_s": did you mean interval_s\?/],
    [
      'a key under a slip of the pen',
      { ...good, comunity: 'x', community: undefined },
      /config\.community is missing.*there is "comunity"/,
    ],
    [
      'a key of a meter that is none',
      { ...good, meters: [{ ...meter, hsot: 'x' }] },
      /meters\[0\]: there is no key "hsot": did you mean host\?/,
    ],
    ['another version', { ...good, version: 2 }, /config\.version: expected 1, got 2/],
    ['an interval that does not divide a day', { ...good, interval_s: 7000 }, /a divisor of a day/],
    [
      'polls further apart than the interval',
      { ...good, poll_s: 901 },
      /poll_s: expected a whole number from 0 to 900/,
    ],
    ['a broker without an address', { ...good, mqtt: 'http://x' }, /a URL such as mqtt:/],
    ['a key that is no hex', { ...good, log_key: HEX.toUpperCase() }, /32 bytes in lower-case hex/],
    ['an id that is none', { ...good, gateway: 'a/b' }, /config\.gateway: expected an id/],
    ['no meter', { ...good, meters: [] }, /a list of 1 to 64, got 0/],
    [
      'a profile that is none',
      { ...good, meters: [{ ...meter, profile: 'eastron-sdm63' }] },
      /did you mean eastron-sdm630\?/,
    ],
    [
      'two meters of one index',
      { ...good, meters: [meter, { ...meter, id: 'other' }] },
      /another index for each meter, got 1/,
    ],
    [
      'another unit than the profile converts to',
      { ...good, meters: [{ ...meter, channels: [{ quantity: 1, exponent: 0 }] }] },
      /expected -3, the unit of reference/,
    ],
    [
      'a counter that the profile does not have',
      { ...good, meters: [{ ...meter, channels: [{ quantity: 7, exponent: -3 }] }] },
      /one that reference has: 1, 2, 3, 4, 5, got 7/,
    ],
    [
      'a counter twice',
      { ...good, meters: [{ ...meter, channels: [...meter!.channels, ...meter!.channels] }] },
      /each quantity once/,
    ],
    ['a seal that is none', { ...good, seal: 'hourly' }, /one of edge, got "hourly"/],
    ['nothing', null, /expected an object, got null/],
  ])('with %s is refused', (_, value, message) => {
    expect(() => parseConfig(value)).toThrow(
      expect.objectContaining({ code: 'bad-config', message: expect.stringMatching(message) }),
    );
  });
});
