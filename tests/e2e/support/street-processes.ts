/** A street as the demo runs it: one simulator, one gateway process per home, all on one clock, each of them mortal. */
import type { CoOp, GatewayFile } from './co-op.js';
import { type JsonLine, Program } from './program.js';
import type { TempFolder } from './temp-folder.js';

export interface SharedClock {
  readonly base_ms: number;
  readonly start_ns: string;
  readonly speed: number;
}

interface SimHome {
  readonly id: string;
  readonly devices: readonly { readonly profile: string; readonly port: number; readonly unit: number }[];
}

/** The simulator with so many homes of the built-in street; what really happened is kept for each ten seconds. */
export async function startStreet(count: number, seed: number): Promise<{ sim: Program; homes: readonly SimHome[] }> {
  const sim = new Program('commonwatt-sim', ['--lines']);
  const { homes } = await sim.ask('street', { count, seed, interval_s: 10 });
  return { sim, homes: homes as readonly SimHome[] };
}

/** One gateway process with its data folder, which outlives it. */
export class GatewayProcess {
  readonly home: string;
  readonly file: GatewayFile;
  readonly data: string;
  #program: Program;
  #clock: SharedClock | undefined;
  kills = 0;

  private constructor(input: { home: string; file: GatewayFile; data: string; program: Program }) {
    this.home = input.home;
    this.file = input.file;
    this.data = input.data;
    this.#program = input.program;
  }

  /** Makes the box's key, enrols it with the meter at the home's connection point, and starts it. */
  static async enrol(input: {
    readonly coOp: CoOp;
    readonly home: SimHome;
    readonly folder: TempFolder;
    readonly settings: readonly string[];
  }): Promise<GatewayProcess> {
    const { coOp, home, folder, settings } = input;
    const data = folder.at(`box-${home.id}`);
    const program = new Program('commonwatt-gateway', ['--lines']);
    const { public_key: key } = await program.ask('key', { gateway: home.id, data });
    const { profile, port, unit } = home.devices[0]!;
    const meter = ['--meter', `${profile}@127.0.0.1:${port}/${unit}`];
    const file = await coOp.enrol(home.id, String(key), [...meter, ...settings]);
    await program.ask('start', { config: file, data });
    return new GatewayProcess({ home: home.id, file, data, program });
  }

  get isAlive(): boolean {
    return this.#program.isAlive;
  }

  get pid(): number | undefined {
    return this.#program.pid;
  }

  get notes(): readonly string[] {
    return this.#program.notes;
  }

  async run(clock: SharedClock): Promise<void> {
    this.#clock = clock;
    await this.#program.ask('clock', clock);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.kills += 1;
    await this.#program.kill();
  }

  /** A new process on the same folder, on the same clock. */
  async restart(): Promise<void> {
    this.#program = new Program('commonwatt-gateway', ['--lines']);
    await this.#program.ask('start', { config: this.file, data: this.data });
    if (this.#clock !== undefined) await this.run(this.#clock);
  }

  /** The clock stands at this instant: one last look at the meter, sealed, sent and answered. */
  step(timeMs: number): Promise<JsonLine> {
    return this.#program.ask('now', { t_ms: timeMs });
  }

  async stats(): Promise<JsonLine> {
    const { gateways } = await this.#program.ask('stats');
    return (gateways as readonly JsonLine[])[0]!;
  }

  async stop(): Promise<void> {
    if (this.isAlive) await this.#program.stop();
  }
}
