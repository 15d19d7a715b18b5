/** Options that more than one command has: one name, one meaning, one check. */
import { Option } from 'commander';
import { LOG_LEVELS, type LogLevel } from '../adapters/log/levels.js';
import type { Config } from '../config.js';
import { MAX_PRICE_MICRO_PER_KWH } from '../core/records/rules.js';
import { fromEnvironment } from './command.js';
import * as value from './option-values.js';

export const dataOption = (config: Config, fallback = '.commonwatt') =>
  new Option('--data <dir>', 'the data folder (COMMONWATT_DATA)').default(config.data ?? fallback);

export const communityOption = () =>
  new Option('--community <id>', 'the community, if there are several').argParser(value.id('community'));

export const operatorKeyOption = () =>
  new Option(
    '--operator-key <file>',
    "the operator's key, where it does not lie in the data folder (default: keys/COMMUNITY/operator.key there)",
  );

export const intervalOption = () =>
  new Option('--interval <duration>', 'length of an interval: 5m, 15m, 30m or 60m').argParser(value.intervalS);

export const nettingOption = () =>
  new Option('--netting <kind>', 'what cancels out before sharing: none, meter or member').argParser(value.netting);

export const missingOption = (more = '') =>
  new Option(
    '--missing <policy>',
    'what an outage means. leave-out: who lacks a reading takes no part; wait: nobody is settled until all are there or ' +
      'the grace is over, then as leave-out; estimate: as leave-out, and when the home is back its known energy is spread ' +
      `evenly over the outage${more}`,
  ).argParser(value.missingPolicy);

export const priceOption = () =>
  new Option('--price <micro>', 'millionths of a credit per kWh received').argParser(
    value.wholeNumber('price', { min: 0, max: MAX_PRICE_MICRO_PER_KWH }),
  );

export const levyOption = () =>
  new Option('--levy <bp>', 'hundredths of a percent for the commons fund').argParser(
    value.wholeNumber('levy', { min: 0, max: 10_000 }),
  );

export const portOption = ({ port }: Config) =>
  fromEnvironment(
    new Option('--port <n>', 'where REST listens; 0: any free port (COMMONWATT_PORT)'),
    port,
    8080,
    value.port,
  );

export const bindOption = ({ bind }: Config) =>
  fromEnvironment(
    new Option('--bind <address>', 'what REST binds to (COMMONWATT_BIND)'),
    bind,
    '127.0.0.1',
    value.bindAddress,
  );

export const mqttPortOption = ({ mqttPort }: Config, fallback: number) =>
  fromEnvironment(
    new Option('--mqtt-port <n>', 'where the embedded broker listens; 0: any free port (COMMONWATT_MQTT_PORT)'),
    mqttPort,
    fallback,
    value.port,
  );

export function logLevelOption(config: Config, otherwise: LogLevel, what: string): Option {
  const option = new Option('--log-level <level>', `${what}: ${LOG_LEVELS.join(', ')} (COMMONWATT_LOG_LEVEL)`);
  return fromEnvironment(option, config.logLevel, otherwise, value.logLevel);
}
