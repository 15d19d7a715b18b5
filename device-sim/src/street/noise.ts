/** Chance without memory: the same seed and place give the same number, in any order of asking. */

/** Murmur3's finaliser: 32 bits in, 32 well-mixed bits out. */
function mix(bits: number): number {
  let hash = bits >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A number in [0, 1) for a place on a line. `index` is a safe integer. */
export function chance(seed: number, index: number): number {
  const high = Math.floor(index / 0x1_0000_0000);
  return mix(mix(seed ^ 0x9e37_79b9) ^ mix(index ^ 0x85eb_ca77) ^ mix(high ^ 0xc2b2_ae3d)) / 0x1_0000_0000;
}

/** A seed of its own for a named purpose. */
export function subSeed(seed: number, purpose: string): number {
  let hash = seed;
  for (let index = 0; index < purpose.length; index++)
    hash = mix(hash ^ Math.imul(purpose.charCodeAt(index), 0x9e37_79b9));
  return hash;
}

/** Smooth over time, in [0, 1), independent from one period to the next but one. Mean 0.5. */
export function smoothNoise(seed: number, timeMs: number, periodMs: number): number {
  const index = Math.floor(timeMs / periodMs);
  const place = timeMs / periodMs - index;
  const weight = place * place * (3 - 2 * place);
  return chance(seed, index) * (1 - weight) + chance(seed, index + 1) * weight;
}
