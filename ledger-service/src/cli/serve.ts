import type { LogLevel } from '../adapters/log/levels.js';
import { safeUrl } from '../adapters/mqtt/broker-client.js';
import { RealClock } from '../adapters/system/clock.js';
import { type CommandContext, EXIT } from './context.js';
import { DataFolder } from './data-folder.js';
import { type BrokerChoice, LedgerService } from './service.js';
import { jsonLog } from './service-log.js';

export interface ServeOptions {
  readonly data: string;
  readonly port: number;
  readonly bind: string;
  readonly mqtt?: string;
  readonly mqttPort: number;
  readonly mqttBind: string;
  readonly logLevel: LogLevel;
}

/** Runs broker, ledger and REST until it is told to stop. */
export async function runServe(options: ServeOptions, { output, err, stop }: CommandContext): Promise<number> {
  const folder = new DataFolder(options.data);
  folder.checkExists();
  folder.checkNotServed();
  const log = jsonLog(folder, options.logLevel, err);
  const service = await LedgerService.start({
    folder,
    clock: new RealClock(),
    broker: brokerOf(options, folder),
    rest: { port: options.port, bind: options.bind },
    patient: true,
    log,
  });
  try {
    folder.writeServeFile({ url: service.url, mqtt: service.bus.url, pid: process.pid });
    output.result(
      { url: service.url, docs: `${service.url}/docs`, mqtt: service.bus.url, pid: process.pid },
      [`REST      ${service.url}  (docs: ${service.url}/docs)`, `MQTT      ${service.bus.url}`].join('\n'),
    );
    log.info('serving', { url: service.url, mqtt: safeUrl(service.bus.url) });
    await stopped(stop);
    log.info('stopping');
  } finally {
    folder.removeServeFile();
    await service.stop();
  }
  return EXIT.done;
}

function brokerOf({ mqtt, mqttPort, mqttBind }: ServeOptions, folder: DataFolder): BrokerChoice {
  if (mqtt === undefined) return { kind: 'embedded', port: mqttPort, bind: mqttBind };
  return { kind: 'external', url: mqtt, clientId: folder.mqttClientId(), clean: false };
}

export function stopped(stop: AbortSignal): Promise<void> {
  if (stop.aborted) return Promise.resolve();
  return new Promise((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }));
}
