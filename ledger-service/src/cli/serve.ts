import { RealClock } from '../adapters/system/clock.js';
import { type CommandContext, EXIT } from './context.js';
import { DataFolder } from './data-folder.js';
import { type BrokerChoice, LedgerService } from './service.js';

export interface ServeOptions {
  readonly data: string;
  readonly port: number;
  readonly bind: string;
  readonly mqtt?: string;
  readonly mqttPort: number;
  readonly mqttBind: string;
}

/** Runs broker, ledger and REST until it is told to stop. */
export async function runServe(options: ServeOptions, { output, stop }: CommandContext): Promise<number> {
  const folder = new DataFolder(options.data);
  folder.checkExists();
  folder.checkNotServed();
  const service = await LedgerService.start({
    folder,
    clock: new RealClock(),
    broker: brokerOf(options, folder),
    rest: { port: options.port, bind: options.bind },
    patient: true,
    log: (line) => output.note(line),
  });
  try {
    folder.writeServeFile({ url: service.url, mqtt: service.bus.url, pid: process.pid });
    output.result(
      { url: service.url, docs: `${service.url}/docs`, mqtt: service.bus.url, pid: process.pid },
      [`REST      ${service.url}  (docs: ${service.url}/docs)`, `MQTT      ${service.bus.url}`].join('\n'),
    );
    await stopped(stop);
    output.note('stopping');
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
