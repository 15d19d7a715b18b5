/** What the environment may say. This is the only place that reads it; options on the command line win. */
import { nearestName } from '@commonwatt/firmware-protocol/registers';
import { LedgerError } from './core/errors.js';

export interface Config {
  /** COMMONWATT_DATA: the data folder. */
  readonly data?: string;
  /** COMMONWATT_PORT: where REST listens. */
  readonly port?: string;
  /** COMMONWATT_BIND: the address REST binds to. */
  readonly bind?: string;
  /** COMMONWATT_MQTT: URL of an external broker. */
  readonly mqtt?: string;
  /** COMMONWATT_MQTT_PORT: where the embedded broker listens. */
  readonly mqttPort?: string;
  /** COMMONWATT_MQTT_BIND: the address the embedded broker binds to. */
  readonly mqttBind?: string;
  /** COMMONWATT_LOG_LEVEL: how much a running service writes down. */
  readonly logLevel?: string;
}

const KEYS: Readonly<Record<string, keyof Config>> = {
  COMMONWATT_DATA: 'data',
  COMMONWATT_PORT: 'port',
  COMMONWATT_BIND: 'bind',
  COMMONWATT_MQTT: 'mqtt',
  COMMONWATT_MQTT_PORT: 'mqttPort',
  COMMONWATT_MQTT_BIND: 'mqttBind',
  COMMONWATT_LOG_LEVEL: 'logLevel',
};

/** Belongs to the other programs of the house. */
const FOREIGN = /^COMMONWATT_(GATEWAY_|SIM_|MQTT_USER$|MQTT_PASSWORD$)/;

/** Throws LedgerError 'config' for a COMMONWATT_ name that there is not, naming the nearest. Empty means not set. */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const config: { -readonly [Key in keyof Config]: string } = {};
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('COMMONWATT_') || FOREIGN.test(name) || value === undefined || value === '') continue;
    const key = KEYS[name];
    if (key === undefined) throw unknownKey(name);
    config[key] = value;
  }
  return config;
}

function unknownKey(name: string): LedgerError {
  const nearest = nearestName(name, Object.keys(KEYS));
  const hint = nearest === undefined ? `one of ${Object.keys(KEYS).join(', ')}` : nearest;
  return new LedgerError('config', `environment: expected ${hint}, got ${name.slice(0, 80)}`);
}
