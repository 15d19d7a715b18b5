/** `npm run soak`: exit status 0 when nothing was lost and everything proves; 1 with a sentence, and the data folder, when not. */
import { writeFileSync } from 'node:fs';
import { TempFolder } from '../e2e/support/temp-folder.js';
import { endAll } from './mortal.js';
import { hasMosquitto } from './mosquitto-process.js';
import { parseOptions, type SoakOptions, type SoakPlan, USAGE } from './options.js';
import { Soak } from './soak.js';

/** All that comes before and after the time in which frames flow. */
const REST_WITHIN_MINUTES = 20;
const EXIT_USAGE = 2;

const beganMs = performance.now();
const say = (line: string): void => {
  const seconds = Math.round((performance.now() - beganMs) / 1_000);
  process.stdout.write(`soak ${String(seconds).padStart(4)} s  ${line}\n`);
};

async function soak({ seed, again, streets }: SoakPlan): Promise<number> {
  say(`seed ${seed} (again: npm run soak -- ${again})`);
  for (const street of streets) {
    const status = await soakStreet(street);
    if (status !== 0) return status;
  }
  say(`all is as it has to be (seed ${seed})`);
  return 0;
}

async function soakStreet(options: SoakOptions): Promise<number> {
  const { seed, minutes, broker } = options;
  say(`a street at ${broker === 'embedded' ? 'the embedded broker' : 'mosquitto'}`);
  const folder = new TempFolder('soak');
  const story = new Soak(options, folder, say);
  try {
    const figures = await within((minutes + REST_WITHIN_MINUTES) * 60_000, story.run());
    for (const line of figures) say(line);
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

function readOptions(): SoakPlan | number {
  try {
    const options = parseOptions(process.argv.slice(2), hasMosquitto());
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
