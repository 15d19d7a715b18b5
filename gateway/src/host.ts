import { join } from 'node:path';
import { formatStatus, keyId, toHex, topics, type Verifier } from '@commonwatt/firmware-protocol';
import { ModbusLink } from './adapters/modbus-link.js';
import { MqttLink } from './adapters/mqtt-link.js';
import { openSqliteOutbox } from './adapters/sqlite-outbox.js';
import { openKey } from './adapters/system/key-file.js';
import { nodeHasher, nodeVerifier, randomFraction, rememberingVerifier } from './adapters/system/node-crypto.js';
import { hasOutboxMarker, markOutbox, writeStatusFile } from './adapters/system/status-file.js';
import { systemTimers } from './adapters/system/system-clock.js';
import { brokerLogin } from './config.js';
import type { GatewayObserver } from './core/announcer.js';
import type { Clock } from './core/clock.js';
import { Gateway } from './core/gateway.js';
import type { GatewayConfig, MeterConfig } from './core/gateway-config.js';
import type { MeterLink } from './core/meter-link.js';
import { statusRecord } from './core/status.js';
import { reasonOf } from './errors.js';

export const SOFTWARE = 'commonwatt-gateway 0.1.0';
const OUTBOX_FILE = 'outbox.db';

/** One for the process: the boxes of a community are answered with the same signed checkpoints. */
const verifier: Verifier = rememberingVerifier(nodeVerifier);

/**
 * Puts a box together from its configuration and its data folder, and starts it. Throws what is wrong with the key, the
 * folder or the outbox; meters and brokers that are not there are no fault, the box waits for them.
 */
export function startGateway(options: {
  readonly config: GatewayConfig;
  readonly data: string;
  readonly clock: Clock;
  readonly observer: GatewayObserver;
}): Gateway {
  const { config, data, clock, observer } = options;
  const { signer, created } = openKey(data);
  if (created) observer.onNote?.(`made a new device key, ${toHex(signer.publicKey)}: enrol it with the operator`);
  const outbox = openSqliteOutbox(join(data, OUTBOX_FILE));
  try {
    const gateway = new Gateway({
      config,
      software: SOFTWARE,
      outbox,
      hadOutbox: hasOutboxMarker(data),
      broker: brokerLink(config, toHex(keyId(nodeHasher, signer.publicKey))),
      linkOf: meterLinks(config.meters),
      clock,
      timers: systemTimers,
      signer,
      hasher: nodeHasher,
      verifier,
      random: randomFraction,
      observer: withStatusFile(observer, data),
    });
    gateway.start();
    noteFailure(() => markOutbox(data), 'the folder cannot be marked', observer);
    return gateway;
  } catch (error) {
    outbox.close();
    throw error;
  }
}

function brokerLink(config: GatewayConfig, kid: string): MqttLink {
  const { answer, frame, status } = topics(config.community, config.gateway);
  return new MqttLink({
    url: config.mqtt,
    clientId: `cw-${kid}`,
    login: brokerLogin(),
    answerTopic: answer,
    frameTopic: frame,
    will: {
      topic: status,
      payload: formatStatus({ state: 'offline', gateway: config.gateway }),
      qos: 1,
      retain: true,
    },
    timers: systemTimers,
  });
}

/** One connection for each address: many devices take no second one. The slowest unit behind it sets the pace. */
function meterLinks(meters: readonly MeterConfig[]): (meter: MeterConfig) => MeterLink {
  const links = new Map<string, MeterLink>();
  return ({ host, port }) => {
    const name = `${host}:${port}`;
    const known = links.get(name);
    if (known !== undefined) return known;
    const behind = meters.filter((meter) => meter.host === host && meter.port === port);
    const minGapMs = Math.max(...behind.map(({ profile }) => profile.minGapMs));
    const link = new ModbusLink({ host, port, minGapMs, timers: systemTimers });
    links.set(name, link);
    return link;
  };
}

function withStatusFile(observer: GatewayObserver, data: string): GatewayObserver {
  return {
    ...observer,
    onStatus(view) {
      observer.onStatus?.(view);
      noteFailure(() => writeStatusFile(data, statusRecord(view)), 'the status file cannot be written', observer);
    },
  };
}

/** Files for people: no reason to stop reading meters. */
function noteFailure(write: () => void, what: string, observer: GatewayObserver): void {
  try {
    write();
  } catch (error) {
    observer.onNote?.(`${what}: ${reasonOf(error)}`);
  }
}
