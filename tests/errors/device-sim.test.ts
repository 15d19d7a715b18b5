/** The simulator's failures, as the parent of `commonwatt-sim --lines` reads them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { isBuilt, NOT_BUILT, start, temporaryFolder } from './support/processes.js';
import { producesCode } from './support/produces.js';

const STREET = { do: 'street', count: 1 };

/** The code in the answer to the last of the requests, and only of the last. */
async function codeOf(requests: readonly object[], args: readonly string[] = []): Promise<unknown> {
  const sim = start('commonwatt-sim', ['--lines', ...args]);
  const answers = [];
  for (const request of requests) answers.push(await sim.ask(request));
  for (const answer of answers.slice(0, -1)) if (answer.done === undefined) throw new Error(JSON.stringify(answer));
  return answers.at(-1)?.failed;
}

/** A file that is neither a recorded register file nor a state. */
function damagedFile(): string {
  const file = join(temporaryFolder(), 'damaged');
  writeFileSync(file, 'x');
  return file;
}

describe.skipIf(!isBuilt)(`commonwatt-sim --lines${NOT_BUILT}`, () => {
  producesCode('device-sim', 'bad-request', () => codeOf([{ do: 'nothing' }]));
  producesCode('device-sim', 'bad-scenario', () => codeOf([{ do: 'street', homes: [{}] }]));
  producesCode('device-sim', 'bad-file', () => codeOf([{ do: 'load', file: damagedFile() }]));
  producesCode('device-sim', 'bad-state', () => codeOf([{ ...STREET, state_file: damagedFile() }]));
  producesCode('device-sim', 'unknown-home', () => codeOf([STREET, { do: 'fault', home: 'nobody', fault: 'none' }]));
  producesCode('device-sim', 'wrong-order', () =>
    codeOf([{ do: 'truth', file: join(temporaryFolder(), 'truth.csv') }]),
  );
  // An address of documentation (RFC 5737) is no machine's own.
  producesCode('device-sim', 'cannot-listen', () => codeOf([STREET], ['--bind', '192.0.2.1']));
  producesCode('device-sim', 'cannot-write', () =>
    codeOf([STREET, { do: 'truth', file: join(temporaryFolder(), 'none', 'truth.csv') }]),
  );
});
