/** A process that may die by kill -9 at any moment, also while it is coming back, and comes back on the same data. */
import { pauseMs } from '../e2e/support/until.js';

/** What `Program` and mosquitto's process have in common. */
export interface Life {
  readonly isAlive: boolean;
  readonly pid: number | undefined;
  readonly exited: Promise<void>;
  readonly notes: readonly string[];
  kill(): Promise<void>;
}

/** Every process of the soak that is alive, for the end of the soak itself. */
const living = new Set<Life>();

/** kill -9 to all that is left; for use when the process ends, so it waits for nothing. */
export function endAll(): void {
  for (const { pid, isAlive } of living) {
    if (!isAlive || pid === undefined) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has gone by itself meanwhile.
    }
  }
}

/** From here on it ends at the latest with the soak. */
export function watched<L extends Life>(life: L): L {
  living.add(life);
  void life.exited.then(() => living.delete(life));
  return life;
}

/** Longest that a victim stays away before it is started again. */
const AWAY_MS = 400;

export class Mortal<L extends Life = Life> {
  readonly name: string;
  kills = 0;
  /** Why it is not what it should be: it ended without being killed, or did not come back. */
  failure: Error | undefined;
  readonly #begin: () => { life: L; ready: Promise<unknown> };
  readonly #random: () => number;
  readonly #struck = new WeakSet<L>();
  #life: L | undefined;
  #isEnding = false;
  #reviving: Promise<void> | undefined;
  #calm: Promise<unknown> = Promise.resolve();

  /** `begin` starts the process; `ready` resolves when it does its work. */
  constructor(input: {
    readonly name: string;
    readonly begin: () => { life: L; ready: Promise<unknown> };
    readonly random: () => number;
  }) {
    this.name = input.name;
    this.#begin = input.begin;
    this.#random = input.random;
  }

  get life(): L {
    if (this.#life === undefined) throw new Error(`${this.name} was not started`);
    return this.#life;
  }

  /** Starts it for the first time, and resolves when it works. */
  async start(): Promise<void> {
    await this.#launch();
  }

  /** Strikes once when there is somebody to strike and nobody asked for calm. False: nothing was done. */
  async kill(): Promise<boolean> {
    const victim = this.#life;
    if (victim === undefined || !victim.isAlive || this.#struck.has(victim) || this.#isEnding) return false;
    this.#struck.add(victim);
    this.kills += 1;
    const gone = victim.kill();
    this.#reviving ??= this.#revive(gone)
      .catch((error: Error) => {
        this.failure ??= error;
      })
      .finally(() => {
        this.#reviving = undefined;
      });
    await gone;
    return true;
  }

  /** Resolves when it works again. Throws when it does not. */
  async alive(): Promise<void> {
    while (this.#reviving !== undefined) await this.#reviving;
    if (this.failure !== undefined) throw this.failure;
  }

  /** Nobody strikes it while the action runs. */
  async undisturbed<T>(action: () => Promise<T>): Promise<T> {
    await this.alive();
    const result = action();
    this.#calm = result.catch(() => undefined);
    return result;
  }

  /** Resolves when nobody needs it undisturbed. */
  get calm(): Promise<unknown> {
    return this.#calm;
  }

  /** From now on it may end by itself. */
  letGo(): void {
    this.#isEnding = true;
  }

  async #revive(gone: Promise<void>): Promise<void> {
    await gone;
    for (;;) {
      await pauseMs(this.#random() * AWAY_MS);
      try {
        await this.#launch();
        if (!this.#struck.has(this.life)) return;
      } catch (error) {
        if (!this.#struck.has(this.life)) throw error;
      }
    }
  }

  async #launch(): Promise<void> {
    const { life, ready } = this.#begin();
    this.#life = watched(life);
    void life.exited.then(() => {
      if (this.#isEnding || this.#struck.has(life)) return;
      this.failure ??= new Error(`${this.name} ended without being killed: ${life.notes.slice(-5).join(' / ')}`);
    });
    await ready;
  }
}
