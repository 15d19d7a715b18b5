/** Options of the commands that look at what was booked, and prove it again. */
import type { Command } from 'commander';
import { type Ask, finish } from './command.js';
import {
  communityOption,
  dataOption,
  intervalOption,
  levyOption,
  missingOption,
  nettingOption,
  priceOption,
} from './common-options.js';
import * as value from './option-values.js';
import type { ReplayOptions } from './replay/options.js';

const MAX_LOG_SIZE = 999_999_999_999;

export function addBalances(program: Command, ask: Ask): void {
  const command = program
    .command('balances')
    .description("Every member's balance, now or as it was.")
    .addOption(dataOption(ask.config))
    .addOption(communityOption())
    .option('--as-of <instant>', "an interval's end, like 2024-05-31T12:00:00Z: later intervals do not count")
    .option(
      '--known-at <size>',
      'a size of the log: what came later does not count',
      value.wholeNumber('known-at', { min: 0, max: MAX_LOG_SIZE }),
    );
  finish(
    command,
    ask,
    { examples: ['commonwatt balances', 'commonwatt balances --as-of 2024-06-01T00:00:00Z --json'] },
    async () => (await import('./balances.js')).runBalances,
  );
}

export function addGateways(program: Command, ask: Ask): void {
  const command = program
    .command('gateways')
    .description('Every gateway: when it was heard of, whether it has forked, what was made of its readings.')
    .addOption(dataOption(ask.config))
    .addOption(communityOption());
  finish(
    command,
    ask,
    { examples: ['commonwatt gateways', 'commonwatt gateways --data /var/lib/commonwatt --json'] },
    async () => (await import('./gateways.js')).runGateways,
  );
}

export function addStatement(program: Command, ask: Ask): void {
  const command = program
    .command('statement')
    .description("A member's statement: generated, used at home, received, delivered, from and to the grid, credits.")
    .addOption(dataOption(ask.config))
    .addOption(communityOption())
    .requiredOption('--member <id>', 'whose', value.id('member'))
    .option('--from <day|instant>', 'first local day, or instant in UTC', value.bound)
    .option('--to <day|instant>', 'local day or instant that is no longer in it', value.bound)
    .option('--csv', 'a row for every interval');
  finish(
    command,
    ask,
    {
      examples: [
        'commonwatt statement --member green-door --from 2024-05-01 --to 2024-06-01',
        'commonwatt statement --member green-door --from 2024-05-01 --to 2024-05-02 --csv > may-first.csv',
      ],
    },
    async () => (await import('./statement.js')).runStatement,
  );
}

export function addReplay(program: Command, ask: Ask): void {
  const command = program
    .command('replay')
    .description(
      'Carry a recorded register file over Modbus, signed frames, MQTT, verification and settlement, step by step.',
    )
    .argument('<file>', 'CSV, plain or gzip: utc_timestamp,household,register,value,unit')
    .addOption(intervalOption().makeOptionMandatory())
    .addOption(nettingOption().default('member'))
    .addOption(missingOption().default('leave-out'))
    .option(
      '--max-kw <n>',
      "leave out a home's interval whose import or export averages more than this",
      value.kilowattsAsW,
    )
    .addOption(priceOption().default(120_000))
    .addOption(levyOption().default(0))
    .option('--intervals <out.csv>', 'write a row for every home in every interval')
    .option('--mqtt <url>', 'an external broker instead of the embedded one', value.mqttUrl)
    .option('--data <dir>', 'keep everything in this folder (default: a temporary one that is removed at the end)');
  finish<ReplayOptions>(
    command,
    ask,
    {
      examples: [
        'commonwatt replay street.csv.gz --interval 15m',
        'commonwatt replay street.csv.gz --interval 60m --missing estimate --intervals out.csv --json',
        'commonwatt replay street.csv.gz --interval 15m --mqtt mqtt://127.0.0.1:1883',
      ],
      note: 'Exit status 0 only if every reading of the file was booked or is accounted for as left out.',
    },
    async () => (await import('./replay/replay.js')).runReplay,
  );
}

export function addRebuild(program: Command, ask: Ask): void {
  const command = program
    .command('rebuild')
    .description('Drop every projection, fold the log anew, and compare the hashes of what was and what is.')
    .addOption(dataOption(ask.config))
    .addOption(communityOption());
  finish(
    command,
    ask,
    {
      examples: ['commonwatt rebuild', 'commonwatt rebuild --data /var/lib/commonwatt --community sunny-street --json'],
    },
    async () => (await import('./rebuild.js')).runRebuild,
  );
}
