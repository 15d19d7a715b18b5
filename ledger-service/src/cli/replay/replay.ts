/** `commonwatt replay`: a recorded file through the whole river, step by step, and what came of it. */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { FrameCounter } from '../../adapters/mqtt/frame-counter.js';
import { StepClock } from '../../adapters/system/clock.js';
import { LedgerError } from '../../core/errors.js';
import { type CommandContext, EXIT } from '../context.js';
import type { DataFolder } from '../data-folder.js';
import { LineChild, type LineObject, numberIn, objectsIn } from '../line-child.js';
import { monotonicMs } from '../monotonic.js';
import { Progress } from '../progress.js';
import { type BrokerChoice, LedgerService } from '../service.js';
import { plainLog } from '../service-log.js';
import { communityOf, planOf, setUp } from './community.js';
import { type Span, spanOf, stepsOf } from './instants.js';
import { IntervalsCsv } from './intervals-csv.js';
import type { ReplayOptions } from './options.js';
import { readOutcome } from './outcome.js';
import { parseRecordedFile, type RecordedFile } from './recorded-file.js';
import { ReplayFolder } from './replay-folder.js';
import { type Counts, problemsOf, toJson, toText } from './report.js';

const LOAD_TIMEOUT_MS = 120_000;
const STEP_TIMEOUT_MS = 90_000;
/** The subscriber that counts may hear of the last frames a little later than the ledger. */
const COUNT_WAIT_MS = 5_000;

export async function runReplay(options: ReplayOptions, context: CommandContext): Promise<number> {
  const startedMs = monotonicMs();
  const community = await communityOf(options.file);
  const csv = options.intervals === undefined ? undefined : new IntervalsCsv(options.intervals);
  const folder = new ReplayFolder(options.data);
  const replay = new Replay({ options, context, community, folder });
  try {
    const { file, span, counts, service } = await replay.run();
    const { store, crypto } = service.open;
    const outcome = await readOutcome({
      ...{ store, crypto, community, file, span, intervalS: options.interval },
      ...(csv !== undefined && { onInterval: (startS, homes) => csv.add(startS, homes) }),
    });
    csv?.close();
    const seconds = (monotonicMs() - startedMs) / 1_000;
    const report = { community, total: span.total, outcome, counts, seconds };
    const problems = problemsOf(report);
    context.output.result(toJson(report, problems), toText(report));
    for (const problem of problems) context.output.note(`commonwatt: ${problem}`);
    return problems.length === 0 ? EXIT.done : EXIT.failed;
  } finally {
    await replay.stop();
    folder.leave();
  }
}

interface ReplayParts {
  readonly options: ReplayOptions;
  readonly context: CommandContext;
  readonly community: string;
  readonly folder: ReplayFolder;
}

/** The processes of a replay, from the first to the last step. */
class Replay {
  readonly #parts: ReplayParts;
  readonly #clock = new StepClock();
  #sim: LineChild | undefined;
  #gateways: LineChild | undefined;
  #service: LedgerService | undefined;
  #counter: FrameCounter | undefined;

  constructor(parts: ReplayParts) {
    this.#parts = parts;
  }

  async run(): Promise<{ file: RecordedFile; span: Span; counts: Counts; service: LedgerService }> {
    const { options, community } = this.#parts;
    const sim = new LineChild({ program: 'commonwatt-sim', name: 'simulator' });
    this.#sim = sim;
    const load = { file: resolve(options.file), interval_s: options.interval };
    const file = parseRecordedFile(await sim.request('load', load, LOAD_TIMEOUT_MS));
    const firstMs = file.instantsMs[0] ?? 0;
    const span = spanOf({ firstMs, lastMs: file.instantsMs[file.instantsMs.length - 1] ?? 0 }, options.interval);
    this.#clock.set(firstMs);
    const folder = this.#parts.folder.open(file.readings);
    const service = await this.#startService(folder);
    const gateways = new LineChild({ program: 'commonwatt-gateway', name: 'gateways' });
    this.#gateways = gateways;
    const plan = planOf(community, options, file, span);
    await setUp({ service, folder, gateways, plan, file, limitW: options.maxKw ?? 0 });
    await this.#drive(stepsOf(file.instantsMs, span, options.interval), { sim, gateways, service });
    return { file, span, service, counts: await this.#count(file, { sim, gateways, service }) };
  }

  async stop(): Promise<void> {
    await this.#gateways?.stop();
    await this.#sim?.stop();
    await this.#counter?.stop();
    await this.#service?.stop();
  }

  async #startService(folder: DataFolder): Promise<LedgerService> {
    const { options, context, community } = this.#parts;
    const { mqtt } = options;
    const clientId = `commonwatt-replay-${randomBytes(6).toString('hex')}`;
    const broker: BrokerChoice =
      mqtt === undefined
        ? { kind: 'embedded', port: 0, bind: '127.0.0.1' }
        : { kind: 'external', url: mqtt, clientId, clean: true };
    if (mqtt !== undefined) this.#counter = await FrameCounter.open(mqtt, community);
    this.#service = await LedgerService.start({
      folder,
      clock: this.#clock,
      broker,
      settle: 'by-hand',
      log: plainLog((line) => context.output.note(line)),
    });
    return this.#service;
  }

  /**
   * Each instant: the meters show it, the gateways poll, seal and wait for their receipts, and what has ended is settled.
   * The ledger does one thing after the other, so while it settles the meters already turn to the next instant and the
   * gateways poll them; their frames are decided after it.
   */
  async #drive(steps: readonly number[], { sim, gateways, service }: Running): Promise<void> {
    const { context, community } = this.#parts;
    const ledger = await service.open.ledger.community(community);
    const progress = new Progress({ stream: context.err, label: 'replay', total: steps.length, monotonicMs });
    let settling: Promise<void> = Promise.resolve();
    try {
      for (const [done, instantMs] of steps.entries()) {
        if (context.stop.aborted) throw new LedgerError('child', `interrupted after ${done} of ${steps.length} steps`);
        await sim.request('now', { t_ms: instantMs });
        this.#clock.set(instantMs);
        const polled = gateways.request('now', { t_ms: instantMs }, STEP_TIMEOUT_MS);
        const [step] = await Promise.all([polled, settling]);
        service.pump.expect(checkStep(step, instantMs));
        settling = ledger.settleDue().then(checkSettled);
        settling.catch(() => undefined);
        progress.update(done + 1, new Date(instantMs).toISOString().slice(0, 16));
      }
      await settling;
    } finally {
      progress.finish();
    }
  }

  async #count(file: RecordedFile, { sim, gateways, service }: Running): Promise<Counts> {
    const boxes = objectsIn(await gateways.request('stats'), 'gateways');
    const sum = (name: string) => boxes.reduce((total, box) => total + numberIn(box, name), 0);
    const published = sum('frames_published');
    const byBroker = await (this.#counter?.settle(published, COUNT_WAIT_MS) ?? service.bus.framePublishes);
    const { accepted, duplicate, refused } = service.pump.counts;
    return {
      file: { readings: file.readings },
      modbus: {
        bySimulator: numberIn(await sim.request('stats'), 'requests'),
        byGateways: sum('modbus_requests'),
      },
      mqtt: { byBroker, byGateways: published },
      gateways: { pending: sum('pending'), refused: sum('refused') },
      frames: { accepted, duplicate, refused },
    };
  }
}

interface Running {
  readonly sim: LineChild;
  readonly gateways: LineChild;
  readonly service: LedgerService;
}

/** Throws 'money-range' where an interval could not be booked. */
function checkSettled({ heldS }: { readonly heldS: readonly number[] }): void {
  const [startS] = heldS;
  if (startS === undefined) return;
  const at = new Date(startS * 1000).toISOString();
  throw new LedgerError('money-range', `interval ${at}: its money or energy fits no account; lower the price`);
}

/** Returns how many frames were sealed. */
function checkStep(step: LineObject, instantMs: number): number {
  const pending = numberIn(step, 'pending');
  if (pending === 0) return numberIn(step, 'sealed');
  const at = new Date(instantMs).toISOString();
  throw new LedgerError('child', `at ${at}: ${pending} frames got no receipt; nothing after it would be right`);
}
