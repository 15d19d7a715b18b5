import { describe, expect, it } from 'vitest';
import { notBuilt, run } from './support/run-command.js';

const COMMANDS = [
  'demo',
  'init',
  'serve',
  'enrol',
  'rules',
  'approve',
  'revoke',
  'balances',
  'statement',
  'replay',
  'rebuild',
];

describe.skipIf(notBuilt !== '')(`the command line ${notBuilt}`, () => {
  it('lists every command', async () => {
    const { status, stdout } = await run(['--help']);
    expect(status).toBe(0);
    for (const name of COMMANDS) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'));
  });

  it.each(COMMANDS)('%s --help has examples and the exit statuses', async (name) => {
    const { status, stdout } = await run([name, '--help']);
    expect(status).toBe(0);
    expect(stdout).toContain(`$ commonwatt ${name}`);
    expect(stdout).toContain('Exit status');
    expect(stdout).toContain('--json');
  });

  it('says which options a command cannot do without', async () => {
    const { stdout } = await run(['init', '--help']);
    expect(stdout).toMatch(/--community <id>[^-]*\(required\)/);
    expect(stdout.match(/\(required\)/g)).toHaveLength(2);
  });

  it.each([
    [['rebuild', '--dta', 'x'], 'unknown option --dta, did you mean --data?'],
    [['replay', 'f.csv', '--interval', '15m', '--max-kv', '3'], 'unknown option --max-kv, did you mean --max-kw?'],
    [['init', '--comunity', 'x'], 'unknown option --comunity, did you mean --community?'],
    [['enrol', '--profile', 'x'], 'unknown option --profile, did you mean'],
    [['rebild'], 'unknown command rebild, did you mean rebuild?'],
    [['replay', 'f.csv', '--interval', '20m'], 'expected 5m, 15m, 30m or 60m, got "20m"'],
    [['replay', 'f.csv', '--interval', '15m', '--netting', 'membr'], 'did you mean member?'],
    [['replay', 'f.csv', '--interval', '15m', '--max-kw', '0.0005'], 'expected kilowatts above 0'],
    [['replay', 'f.csv', '--interval', '15m', '--missing', 'wiat'], 'did you mean wait?'],
    [['init', '--community', 'c', '--host', 'h', '--missing', 'guess'], 'expected leave-out, wait, estimate'],
    [['enrol', '--key', 'k', '--meter', 'reference', '--limit', '-1'], 'or 0 for no limit'],
    [['approve', 'no such home'], 'expected gateway: 1 to 64 of'],
    [['demo', '--homes', '7'], 'a whole number from 8 to'],
    [['demo', '--speed', '0'], 'expected a speed above 0'],
    [['serve', '--port', '70000'], 'expected a port from 0 to 65535'],
    [['serve', '--bind', 'nowhere'], 'expected an IP address'],
    [['statement', '--member', 'a', '--from', 'yesterday'], 'expected a day like 2024-05-31'],
    [['init', '--community', '-x', '--host', 'h'], 'argument'],
  ])('refuses %j', async (args, sentence) => {
    const { status, stdout, stderr } = await run(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(sentence);
    expect(stderr).toMatch(/^commonwatt: config: /);
  });

  it('refuses a COMMONWATT_ variable that there is not with the nearest that there is', async () => {
    const { status, stderr } = await run(['balances'], { COMMONWATT_DAT: '/tmp/x' });
    expect(status).toBe(2);
    expect(stderr).toBe('commonwatt: config: environment: expected COMMONWATT_DATA, got COMMONWATT_DAT\n');
  });

  it('checks what a variable says like an option', async () => {
    const { status, stderr } = await run(['serve'], { COMMONWATT_PORT: 'http' });
    expect(status).toBe(2);
    expect(stderr).toContain('environment, for --port: expected a port');
  });

  it('leaves the variables of the other programs alone', async () => {
    const { stderr } = await run(['balances', '--data', '/nowhere'], {
      COMMONWATT_GATEWAY_X: '1',
      COMMONWATT_SIM_X: '1',
    });
    expect(stderr).toContain('no ledger in /nowhere');
  });

  it('says a failure as one JSON object too', async () => {
    const { status, stdout } = await run(['balances', '--data', '/nowhere', '--json']);
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'not-found' } });
    const wrong = await run(['balances', '--dat', '/nowhere', '--json']);
    expect(JSON.parse(wrong.stdout)).toMatchObject({ error: { code: 'config' } });
  });
});
