/** `npm run soak`: exit status 0 when nothing was lost and everything proves; 1 with a sentence, and the data folder, when not. */
import { writeFileSync } from 'node:fs';
import { TempFolder } from '../e2e/support/temp-folder.js';
import { endAll } from './mortal.js';
import { parseOptions, type SoakOptions, USAGE } from './options.js';
import { Soak } from './soak.js';

/** All that comes before and after the time in which frames flow. */
const REST_WITHIN_MINUTES = 20;
const EXIT_USAGE = 2;

const beganMs = performance.now();
const say = (line: string): void => {
  const seconds = Math.round((performance.now() - beganMs) / 1_000);
  process.stdout.write(`soak ${String(seconds).padStart(4)} s  ${line}\n`);
};

async function soak(options: SoakOptions): Promise<number> {
  const { seed, minutes, kills, broker, fleet } = options;
  const fleetOption = fleet === 0 ? '--no-fleet' : `--fleet ${fleet}`;
  const again = `npm run soak -- --seed ${seed} --minutes ${minutes} --kills ${kills} --broker ${broker} ${fleetOption}`;
  say(`seed ${seed} (again: ${again})`);
  const folder = new TempFolder('soak');
  const story = new Soak(options, folder, say);
  try {
    const figures = await within((minutes + REST_WITHIN_MINUTES) * 60_000, story.run());
    for (const line of figures) say(line);
    say(`all is as it has to be (seed ${seed})`);
    folder.remove();
    return 0;
  } catch (error) {
    writeFileSync(folder.at('last-words.txt'), story.lastWords);
    say(`FAILED: ${error instanceof Error ? error.message || error.stack : String(error)}`);
    if (error instanceof Error && error.name !== 'SoakFailure') process.stderr.write(`${error.stack}\n`);
    say(`seed ${seed}; everything is kept in ${folder.path}`);
    return 1;
  }
}

function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not done after ${ms / 60_000} minutes`)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function readOptions(): SoakOptions | number {
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options !== 'help') return options;
    process.stdout.write(`${USAGE}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`soak: ${error instanceof Error ? error.message : String(error)}\n\n${USAGE}\n`);
    return EXIT_USAGE;
  }
}

process.on('exit', endAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    say(`ended by ${signal}`);
    process.exit(1);
  });
}
const options = readOptions();
process.exit(typeof options === 'number' ? options : await soak(options));
