/** `npm start`: brings the clone to where it can run, then runs the demo street in this process. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt, root } from './prepare.mjs';

/** Options with a value, as npm hands them over when they stand before `--`. */
const OPTIONS = ['homes', 'speed', 'port', 'data', 'bind', 'mqtt-port'];

ensureBuilt();
const { main } = await import(pathToFileURL(join(root, 'ledger-service', 'dist', 'cli', 'main.js')).href);
process.exitCode = await main(['demo', ...demoArguments(process.argv.slice(2), process.env)]);

/**
 * `npm start -- --speed 1` arrives as arguments. `npm start --speed=1` arrives as npm_config_speed; `npm start --speed 1`
 * as npm_config_speed = "true" and a loose 1, which is clear as long as there is one of them.
 */
function demoArguments(args, environment) {
  const givenAs = (name) => environment[`npm_config_${name.replaceAll('-', '_')}`];
  const given = OPTIONS.filter((name) => !['', 'true', undefined].includes(givenAs(name)));
  const torn = OPTIONS.filter((name) => givenAs(name) === 'true');
  const fresh = givenAs('fresh') === 'true' ? ['--fresh'] : [];
  const whole = [...given.flatMap((name) => [`--${name}`, givenAs(name)]), ...fresh];
  if (torn.length === 0) return [...whole, ...args];
  const [value, ...others] = args;
  if (torn.length === 1 && value !== undefined && others.length === 0) return [...whole, `--${torn[0]}`, value];
  process.stderr.write('commonwatt: npm took the options apart; put two dashes before them: npm start -- --homes 10\n');
  process.exit(2);
}
