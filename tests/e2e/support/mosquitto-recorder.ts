import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import mqtt from 'mqtt';
import { noMosquitto } from '../../../ledger-service/test/support/mosquitto.js';
import { until } from './until.js';

/** Empty when broker and subscriber are installed, else what to install. */
export const noRecorder =
  noMosquitto !== ''
    ? noMosquitto
    : spawnSync('mosquitto_sub', ['--help']).error === undefined
      ? ''
      : 'needs the Debian package mosquitto-clients';

const LISTENING_WITHIN_MS = 10_000;
const PROBE = 'cw/1/probe/probe/live';

export interface RecordedMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
}

/** `mosquitto_sub`, a process that knows nothing of us, writing down all that the broker carries. */
export class MosquittoRecorder {
  readonly messages: RecordedMessage[] = [];
  readonly #child: ChildProcess;
  readonly #url: string;

  private constructor(url: string) {
    this.#url = url;
    const { hostname, port } = new URL(url);
    const args = ['-h', hostname, '-p', port, '-q', '1', '-t', 'cw/1/#', '-F', '%t %x'];
    this.#child = spawn('mosquitto_sub', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#take(line));
  }

  /** Resolves when it hears what is published. */
  static async start(url: string): Promise<MosquittoRecorder> {
    const recorder = new MosquittoRecorder(url);
    await recorder.#hears('begin');
    recorder.messages.length = 0;
    return recorder;
  }

  get frames(): readonly RecordedMessage[] {
    return this.messages.filter(({ topic }) => topic.endsWith('/frame'));
  }

  /** Resolves when all that was published before has been written down. */
  async stop(): Promise<void> {
    await this.#hears('end');
    await this.kill();
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await gone;
  }

  async #hears(word: string): Promise<void> {
    const client = await mqtt.connectAsync(this.#url, { protocolVersion: 4 });
    try {
      await until(`mosquitto_sub hears the word ${word}`, LISTENING_WITHIN_MS, async () => {
        await client.publishAsync(PROBE, word, { qos: 1 });
        return this.messages.some(({ topic, payload }) => topic === PROBE && Buffer.from(payload).toString() === word);
      });
    } finally {
      await client.endAsync();
    }
  }

  #take(line: string): void {
    const [topic = '', hex = ''] = line.split(' ');
    this.messages.push({ topic, payload: new Uint8Array(Buffer.from(hex, 'hex')) });
  }
}
