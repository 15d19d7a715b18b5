/** What the simulator says of a recorded file. */
import { LedgerError } from '../../core/errors.js';
import { type LineObject, listIn, numberIn, objectsIn, textIn } from '../line-child.js';

export interface RecordedHome {
  readonly id: string;
  /** Quantities of its registers: import 1, export 2, pv 3. */
  readonly quantities: readonly (1 | 2 | 3)[];
  readonly readings: number;
  readonly host: string;
  readonly port: number;
  readonly unit: number;
}

export interface RecordedFile {
  readonly homes: readonly RecordedHome[];
  readonly instantsMs: readonly number[];
  readonly readings: number;
}

const QUANTITY_OF = { import: 1, export: 2, pv: 3 } as const;

/** Throws LedgerError 'child' for what is not the answer to `load`. */
export function parseRecordedFile(answer: LineObject): RecordedFile {
  return {
    homes: objectsIn(answer, 'homes').map((home) => ({
      id: textIn(home, 'id'),
      quantities: listIn(home, 'registers').map(quantityOf).sort(),
      readings: numberIn(home, 'readings'),
      host: textIn(home, 'host'),
      port: numberIn(home, 'port'),
      unit: numberIn(home, 'unit'),
    })),
    instantsMs: listIn(answer, 'instants_ms').map((instant) => {
      if (typeof instant === 'number' && Number.isSafeInteger(instant)) return instant;
      throw new LedgerError('child', `answer to load: expected whole milliseconds, got ${typeof instant}`);
    }),
    readings: numberIn(answer, 'readings'),
  };
}

function quantityOf(register: unknown): 1 | 2 | 3 {
  if (register === 'import' || register === 'export' || register === 'pv') return QUANTITY_OF[register];
  throw new LedgerError('child', `answer to load: expected import, export or pv, got ${String(register).slice(0, 40)}`);
}
