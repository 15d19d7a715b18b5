import { RealClock } from '../adapters/system/clock.js';
import { type RebuildReport, rebuild } from '../usecases/rebuild.js';
import { type CommandContext, EXIT } from './context.js';
import { DataFolder } from './data-folder.js';
import { monotonicMs } from './monotonic.js';
import { openLedger } from './open-ledger.js';
import { formatTable } from './output.js';
import { Progress } from './progress.js';

export interface RebuildOptions {
  readonly data: string;
  readonly community?: string;
}

/**
 * Drops every projection, folds the log anew and compares. Exit status 1 when a table is not what it was, unless another
 * version of this program had made it.
 */
export async function runRebuild(options: RebuildOptions, { output, err }: CommandContext): Promise<number> {
  const folder = new DataFolder(options.data);
  folder.checkExists();
  folder.checkNotServed();
  const { store, crypto, close } = openLedger(folder, new RealClock());
  const reports: RebuildReport[] = [];
  try {
    const communities = options.community === undefined ? await store.communities() : [options.community];
    for (const community of communities) {
      const total = await store.size(community);
      const progress = new Progress({ stream: err, label: `rebuild ${community}`, total, monotonicMs });
      reports.push(await rebuild({ store, community, crypto, onProgress: (done) => progress.update(done) }));
      progress.finish();
    }
  } finally {
    await close();
  }
  const equal = reports.every((report) => report.equal);
  output.result({ equal, communities: reports }, reports.map(describe).join('\n\n'));
  return reports.every((report) => report.equal || report.isMadeAnew) ? EXIT.done : EXIT.failed;
}

function describe({ community, entries, root, tables, equal, isMadeAnew }: RebuildReport): string {
  if (isMadeAnew) {
    const why = 'its tables were of another version of this program, and are made anew; a second rebuild compares them';
    return `${community}: ${entries} entries, root ${root}: ${why}`;
  }
  const rows = tables.map((table) => [
    table.table,
    table.equal ? 'equal' : 'DIFFERENT',
    table.after.slice(0, 16),
    table.equal ? '' : `was ${table.before.slice(0, 16)}`,
  ]);
  const columns = [{ head: 'table' }, { head: 'outcome' }, { head: 'hash' }, { head: '' }];
  return [
    `${community}: ${entries} entries, root ${root}: ${equal ? 'every table is what it was' : 'NOT every table is what it was'}`,
    formatTable(columns, rows),
  ].join('\n');
}
