/** Draws moments and victims from the seed, and strikes. */
import { pauseMs } from '../e2e/support/until.js';
import type { Mortal } from './mortal.js';
import type { SoakOptions } from './options.js';
import type { World } from './world.js';

/** Of a hundred kills. The embedded broker dies with the ledger. */
const SHARES = { embedded: { ledger: 20, broker: 0 }, mosquitto: { ledger: 15, broker: 10 } } as const;
/** A victim that is away is looked at again this often. */
const LOOK_AGAIN_MS = 25;

interface Kill {
  readonly atMs: number;
  readonly victim: Mortal;
}

/** Moments are spread over the whole time, and fall as chance will have it: in bursts too, and on what is just coming back. */
export function drawKills(
  world: World,
  { minutes, kills, broker }: SoakOptions,
  random: () => number,
): readonly Kill[] {
  const shares = SHARES[broker];
  const victims = Array.from({ length: kills }, (_, at): Mortal => {
    const place = ((at + 0.5) / kills) * 100;
    if (place < shares.ledger) return world.ledger;
    if (place < shares.ledger + shares.broker) return world.broker!;
    return world.gateways[Math.floor(random() * world.gateways.length)]!;
  });
  return victims.map((victim) => ({ victim, atMs: random() * minutes * 60_000 })).sort((a, b) => a.atMs - b.atMs);
}

/** Strikes one after the other at their moments; a little late where a victim is away, or others need it undisturbed. */
export async function strikeAll(kills: readonly Kill[], progress: (struck: number) => void): Promise<void> {
  const beganMs = performance.now();
  let struck = 0;
  const strike = async ({ victim, atMs }: Kill) => {
    await pauseMs(beganMs + atMs - performance.now());
    for (;;) {
      await victim.calm;
      if (victim.failure !== undefined) throw victim.failure;
      if (await victim.kill()) break;
      await pauseMs(LOOK_AGAIN_MS);
    }
    struck += 1;
    progress(struck);
  };
  await Promise.all(kills.map(strike));
}
