import { readFileSync } from 'node:fs';
import { fromHex, isValidId, type Quantity } from '@commonwatt/firmware-protocol';
import { findProfile, nearestName, type Profile } from '@commonwatt/firmware-protocol/registers';
import type { ChannelConfig, GatewayConfig, MeterConfig } from './core/gateway-config.js';
import { GatewayError, reasonOf } from './errors.js';

const VERSION = 1;
const MAX_CONFIG_BYTES = 1024 * 1024;
const MAX_METERS = 64;
const DEFAULT_OUTBOX_LIMIT = 100_000;
/** NTP on a home network. */
const DEFAULT_CLOCK = { source: 2, errorMs: 50 };
const ENVIRONMENT = {
  mqttUser: 'COMMONWATT_MQTT_USER',
  mqttPassword: 'COMMONWATT_MQTT_PASSWORD',
} as const;

/** What does not belong into a file that lies about: read from the environment, here and nowhere else. */
export function brokerLogin(): { readonly username?: string; readonly password?: string } {
  const username = process.env[ENVIRONMENT.mqttUser];
  const password = process.env[ENVIRONMENT.mqttPassword];
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
}

/** Reads and checks a configuration file. Throws `bad-config`. */
export function readConfigFile(file: string): GatewayConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new GatewayError('bad-config', `${file} cannot be read: ${reasonOf(cause)}`, { cause });
  }
  if (text.length > MAX_CONFIG_BYTES)
    throw new GatewayError('bad-config', `${file} is longer than ${MAX_CONFIG_BYTES} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new GatewayError('bad-config', `${file} is not JSON: ${reasonOf(cause)}`, { cause });
  }
  return parseConfig(value);
}

/** Untrusted: a configuration as it came, from a file or a line. Throws `bad-config` naming the place and the nearest right key. */
export function parseConfig(value: unknown): GatewayConfig {
  const fields = new Fields(value, 'config');
  fields.integer('version', VERSION, VERSION);
  fields.oneOf('seal', ['edge'], 'edge');
  const intervalS = fields.integer('interval_s', 1, 86_400);
  if (86_400 % intervalS !== 0) fields.fail('interval_s', 'a divisor of a day', intervalS);
  const config: GatewayConfig = {
    community: fields.id('community'),
    origin: fields.text('origin'),
    gateway: fields.id('gateway'),
    member: fields.id('member'),
    mqtt: parseBrokerUrl(fields),
    logKey: fields.hex('log_key', 32),
    answerKey: fields.hex('answer_key', 32),
    firstPrevious: fields.hex('first_previous', 32),
    intervalS,
    pollS: fields.integer('poll_s', 0, intervalS, 0),
    meters: parseMeters(fields),
    clock: {
      source: fields.integer('clock_source', 0, 4, DEFAULT_CLOCK.source),
      errorMs: fields.integer('clock_error_ms', 0, 86_400_000, DEFAULT_CLOCK.errorMs),
    },
    outboxLimit: fields.integer('outbox_limit', 16, 10_000_000, DEFAULT_OUTBOX_LIMIT),
  };
  fields.end();
  return config;
}

function parseBrokerUrl(fields: Fields): string {
  const text = fields.text('mqtt');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['mqtt:', 'mqtts:'].includes(url.protocol) || url.hostname === '') {
    return fields.fail('mqtt', 'a URL such as mqtt://127.0.0.1:1883', text);
  }
  return text;
}

function parseMeters(fields: Fields): MeterConfig[] {
  const meters = fields.list('meters', 1, MAX_METERS).map((value, at) => parseMeter(value, `meters[${at}]`));
  for (const key of ['index', 'id'] as const) {
    const seen = new Set<unknown>();
    for (const meter of meters) {
      if (seen.has(meter[key])) fields.fail('meters', `another ${key} for each meter`, meter[key]);
      seen.add(meter[key]);
    }
  }
  return meters;
}

function parseMeter(value: unknown, place: string): MeterConfig {
  const fields = new Fields(value, place);
  const profile = fields.profile('profile');
  const meter = {
    index: fields.integer('index', 0, Number.MAX_SAFE_INTEGER),
    id: fields.id('id'),
    profile,
    host: fields.text('host'),
    port: fields.integer('port', 1, 65_535),
    unit: fields.integer('unit', 0, 255, profile.unit),
    generation: fields.integer('generation', 1, Number.MAX_SAFE_INTEGER, 1),
    channels: parseChannels(fields, profile, place),
  };
  fields.end();
  return meter;
}

function parseChannels(fields: Fields, profile: Profile, place: string): ChannelConfig[] {
  const channels = fields
    .list('channels', 1, 7)
    .map((value, at) => parseChannel(value, profile, `${place}.channels[${at}]`));
  channels.sort((a, b) => a.quantity - b.quantity);
  const twice = channels.find(({ quantity }, at) => quantity === channels[at - 1]?.quantity);
  if (twice !== undefined) fields.fail('channels', 'each quantity once', twice.quantity);
  return channels;
}

function parseChannel(value: unknown, profile: Profile, place: string): ChannelConfig {
  const fields = new Fields(value, place);
  const quantity = fields.integer('quantity', 1, 7) as Quantity;
  const source = profile.channels.find((channel) => channel.quantity === quantity);
  if (source === undefined) {
    const known = profile.channels.map((channel) => channel.quantity).join(', ');
    return fields.fail('quantity', `one that ${profile.name} has: ${known}`, quantity);
  }
  const exponent = fields.integer('exponent', -3, 6);
  // The profile converts to this unit; another one would be off by powers of ten.
  if (exponent !== source.exponent)
    fields.fail('exponent', `${source.exponent}, the unit of ${profile.name}`, exponent);
  const channel = {
    quantity,
    exponent,
    widthBits: fields.integer('width_bits', 8, 64, 64),
    limitW: fields.integer('limit_w', 0, Number.MAX_SAFE_INTEGER, 0),
  };
  fields.end();
  return channel;
}

/** One object of the configuration: each key is asked for by name, and what was not asked for is refused. */
class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #place: string;
  readonly #known: string[] = [];

  constructor(value: unknown, place: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new GatewayError('bad-config', `${place}: expected an object, got ${show(value)}`);
    }
    this.#values = value as Record<string, unknown>;
    this.#place = place;
  }

  integer(key: string, least: number, most: number, otherwise?: number): number {
    const value = this.#get(key) ?? otherwise;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
    return this.fail(key, least === most ? String(least) : `a whole number from ${least} to ${most}`, value);
  }

  text(key: string): string {
    const value = this.#get(key);
    if (typeof value === 'string' && value.length > 0 && value.length <= 255) return value;
    return this.fail(key, 'a text of 1 to 255 characters', value);
  }

  id(key: string): string {
    const value = this.text(key);
    return isValidId(value) ? value : this.fail(key, 'an id of letters, digits and . _ -', value);
  }

  hex(key: string, length: number): Uint8Array {
    const value = this.text(key);
    if (!/^[0-9a-f]*$/.test(value) || value.length !== 2 * length)
      this.fail(key, `${length} bytes in lower-case hex`, value);
    return fromHex(value);
  }

  oneOf(key: string, values: readonly string[], otherwise: string): string {
    const value = this.#get(key) ?? otherwise;
    if (typeof value === 'string' && values.includes(value)) return value;
    return this.fail(key, `one of ${values.join(', ')}`, value);
  }

  profile(key: string): Profile {
    try {
      return findProfile(this.text(key));
    } catch (cause) {
      throw new GatewayError('bad-config', `${this.#place}.${key}: ${reasonOf(cause)}`, { cause });
    }
  }

  list(key: string, least: number, most: number): readonly unknown[] {
    const value = this.#get(key);
    if (Array.isArray(value) && value.length >= least && value.length <= most) return value;
    return this.fail(key, `a list of ${least} to ${most}`, Array.isArray(value) ? value.length : value);
  }

  /** Throws for keys that nobody asked for. Call it last. */
  end(): void {
    const stranger = Object.keys(this.#values).find((key) => !this.#known.includes(key));
    if (stranger === undefined) return;
    const nearest = nearestName(stranger, this.#known);
    const hint = nearest === undefined ? `expected ${this.#known.join(', ')}` : `did you mean ${nearest}?`;
    throw new GatewayError('bad-config', `${this.#place}: there is no key ${show(stranger)}: ${hint}`);
  }

  fail(key: string, expected: string, got: unknown): never {
    // A key that is missing is often there under a slip of the pen.
    if (got === undefined) {
      const nearest = nearestName(
        key,
        Object.keys(this.#values).filter((name) => !this.#known.includes(name)),
      );
      const hint = nearest === undefined ? '' : ` (there is ${show(nearest)})`;
      throw new GatewayError('bad-config', `${this.#place}.${key} is missing: expected ${expected}${hint}`);
    }
    throw new GatewayError('bad-config', `${this.#place}.${key}: expected ${expected}, got ${show(got)}`);
  }

  #get(key: string): unknown {
    this.#known.push(key);
    return Object.hasOwn(this.#values, key) ? this.#values[key] : undefined;
  }
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 100);
}
