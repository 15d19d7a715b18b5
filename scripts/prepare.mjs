/** Brings a clone to where it can run: installs and builds what is missing or older than what it is made from. */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const OLDEST_NODE = [20, 19];
const say = (line) => process.stderr.write(`commonwatt: ${line}\n`);
const inRoot = (...parts) => join(root, ...parts);

/** Ends the process with one sentence when something is missing that cannot be had from here. */
export function ensureBuilt() {
  checkNode();
  if (isInstallNeeded()) install();
  checkDatabase();
  build();
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  stop(
    `Node.js ${OLDEST_NODE.join('.')} or newer is needed, this is ${process.versions.node}: install a newer one from https://nodejs.org`,
  );
}

/** npm writes `node_modules/.package-lock.json` last. */
function isInstallNeeded() {
  const installed = inRoot('node_modules', '.package-lock.json');
  if (!existsSync(installed) || !existsSync(inRoot('node_modules', '@commonwatt', 'firmware-protocol'))) return true;
  return statSync(installed).mtimeMs < statSync(inRoot('package-lock.json')).mtimeMs;
}

function install() {
  const missing = missingTools();
  if (missing !== '')
    say(`${missing} missing: if there is no ready-made better-sqlite3 for this machine, it cannot be built`);
  say('installing dependencies (npm ci), once');
  const done = run(npm(), ['ci', '--no-audit', '--no-fund', '--loglevel', 'error']);
  if (done === 'not found') stop('npm is missing: it comes with Node.js');
  if (done !== 0) {
    stop(
      missing === ''
        ? 'npm ci failed, see above: a network connection to the package registry is needed once'
        : `npm ci failed, and ${missing} missing: install what is named (Debian: apt install python3 make g++) and try again`,
    );
  }
}

/** What a native module is built with, as far as it is not there: "python3 and make are", or nothing. */
function missingTools() {
  const compilers = ['c++', 'g++', 'clang++', 'cl'];
  const names = [];
  if (!isThere('python3') && !isThere('python')) names.push('python3');
  if (!isThere('make') && !isThere('gmake') && process.platform !== 'win32') names.push('make');
  if (!compilers.some(isThere)) names.push('a C++ compiler');
  if (names.length === 0) return '';
  return `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'}`;
}

function isThere(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** The one native module: built for another Node.js, it does not load. */
function checkDatabase() {
  const script = "new (require('better-sqlite3'))(':memory:').close()";
  const loads = () => spawnSync(process.execPath, ['-e', script], { cwd: root, stdio: 'ignore' }).status === 0;
  if (loads()) return;
  say('building better-sqlite3 for this Node.js');
  run(npm(), ['rebuild', 'better-sqlite3', '--loglevel', 'error']);
  if (loads()) return;
  const missing = missingTools();
  stop(`better-sqlite3 could not be built${missing === '' ? ', see above' : `: ${missing} missing`}`);
}

/** The compiler looks itself at what is newer than its output. Without it (an image made for running) the build is there. */
function build() {
  const compiler = inRoot('node_modules', 'typescript', 'bin', 'tsc');
  const isBuilt = existsSync(inRoot('ledger-service', 'dist', 'cli', 'main.js'));
  if (!existsSync(compiler)) {
    if (isBuilt) return;
    stop('the TypeScript compiler is missing: run npm ci with development dependencies');
  }
  if (!isBuilt) say('building (tsc -b)');
  if (run(process.execPath, [compiler, '-b']) !== 0) stop('the build failed, see above');
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: command === 'npm.cmd',
  });
  if (error?.code === 'ENOENT') return 'not found';
  return status ?? 1;
}

function npm() {
  return process.platform === 'win32' ? 'npm.cmd' : 'npm';
}

function stop(sentence) {
  say(sentence);
  process.exit(1);
}
