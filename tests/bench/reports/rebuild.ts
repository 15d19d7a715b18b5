import { formatNumber, type MeasureResult } from '../figures.js';
import { runRebuild } from '../measures/rebuild.js';
import { withFolder } from '../support/temp-folder.js';
import type { BenchContext } from './bench-context.js';

const HOMES = 200;

export async function reportRebuild({ options, say }: BenchContext): Promise<MeasureResult> {
  const framesAHome = options.quick ? 12 : 72;
  say(`rebuild: ${HOMES * framesAHome} frames are taken in and settled first`);
  const run = await withFolder('rebuild', (path) => runRebuild(path, { homes: HOMES, framesAHome }));
  const counts = `${formatNumber(run.frames)} frames, ${formatNumber(run.settlements)} settlements of ${run.homes} homes`;
  return {
    measure: 'rebuild',
    about: `every projection dropped and folded anew, hashes equal: ${formatNumber(run.entries)} entries (${counts})`,
    figures: [
      {
        measure: 'rebuild',
        name: 'entries a second',
        value: run.entriesPerS,
        unit: '/s',
        note: `${formatNumber((run.cpuSeconds * 1e6) / run.entries)} us of CPU each`,
      },
    ],
    remarks: [],
    raw: run,
  };
}
