/** Which log a running service writes, and where. */
import { join } from 'node:path';
import type { LogLevel } from '../adapters/log/levels.js';
import { LogFile } from '../adapters/log/log-file.js';
import { ServiceLog } from '../adapters/log/service-log.js';
import { LedgerError } from '../core/errors.js';
import type { DataFolder } from './data-folder.js';
import { monotonicMs } from './monotonic.js';

/** What the parts of a service are heard by. */
export type ServiceEars = Pick<
  ServiceLog,
  'trouble' | 'answered' | 'framesDecided' | 'eventDecided' | 'messageDropped'
>;

/** One JSON object a line. */
export function jsonLog(
  folder: DataFolder,
  level: LogLevel,
  destination: { write(line: string): unknown },
): ServiceLog {
  return new ServiceLog({ level, destination, secrets: [folder.token()], monotonicMs });
}

export interface FileLog {
  readonly log: ServiceLog;
  readonly file: string;
  close(): void;
}

/** The same in `service.log` of the data folder. Throws 'bad-file' where that cannot be made. */
export function fileLog(folder: DataFolder, level: LogLevel): FileLog {
  const file = join(folder.path, 'service.log');
  const destination = openLogFile(file);
  return { file, log: jsonLog(folder, level, destination), close: () => destination.close() };
}

function openLogFile(file: string): LogFile {
  try {
    return new LogFile({ file });
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new LedgerError('bad-file', `${file} cannot be written (${code})`, { cause });
  }
}

/** For people who watch a command work: its difficulties, as sentences. */
export function plainLog(note: (line: string) => void): ServiceEars {
  const silent = () => undefined;
  return {
    trouble: note,
    answered: silent,
    framesDecided: silent,
    eventDecided: silent,
    messageDropped: ({ kind, gateway, error }) => {
      note(`ingest: one ${kind} of gateway ${gateway} dropped: ${error instanceof Error ? error.message : error}`);
    },
  };
}
