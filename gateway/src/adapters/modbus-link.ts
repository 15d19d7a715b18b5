import { Socket } from 'node:net';
import modbus from 'modbus-serial';
import { pause, type Timers } from '../core/clock.js';
import { MbapWatch } from '../core/mbap-watch.js';
import type { MeterLink, RegisterRange } from '../core/meter-link.js';
import { GatewayError, reasonOf } from '../errors.js';

type ModbusClient = InstanceType<typeof modbus.default>;

/** Real milliseconds until a device must have accepted a connection. */
const CONNECT_TIMEOUT_MS = 2000;
/** Real milliseconds until a whole answer must be here. */
const READ_TIMEOUT_MS = 1000;
/** Reads that wait for their turn: more than the blocks of all units that stand behind one converter. */
const MAX_QUEUED = 64;
/** Registers of one request (Modbus application protocol 6.3, 6.4). */
const MAX_REGISTERS = 125;

export interface ModbusLinkOptions {
  readonly host: string;
  readonly port: number;
  /** Real milliseconds without a request between an answer and the next request. */
  readonly minGapMs: number;
  readonly timers: Timers;
  readonly connectTimeoutMs?: number;
  readonly readTimeoutMs?: number;
}

/** A connection that was opened. `gone` as soon as the peer ended it, which events may report or not. */
interface Connection {
  readonly client: ModbusClient;
  readonly socket: Socket;
  gone: boolean;
  /** Called when the peer ends the connection, or sends what is no answer, to cut short a wait for one. */
  onGone: (failure?: GatewayError) => void;
}

/**
 * Modbus TCP over modbus-serial. Each connection has a client object of its own, which is destroyed with it: a late
 * answer has nowhere to arrive.
 */
export class ModbusLink implements MeterLink {
  readonly #options: ModbusLinkOptions;
  #connection: Connection | undefined;
  #connections = 0;
  #requests = 0;
  #queued = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #quietUntilMs = 0;
  readonly #closing = new AbortController();

  constructor(options: ModbusLinkOptions) {
    this.#options = options;
  }

  get connections(): number {
    return this.#connections;
  }

  get requests(): number {
    return this.#requests;
  }

  read(unit: number, range: RegisterRange, onSent: () => void = nothing): Promise<readonly number[]> {
    if (range.count < 1 || range.count > MAX_REGISTERS) {
      return Promise.reject(
        new GatewayError('meter-garbled', `expected 1 to ${MAX_REGISTERS} registers, got ${range.count}`),
      );
    }
    if (this.#queued >= MAX_QUEUED) {
      return Promise.reject(
        new GatewayError('meter-unreachable', `${MAX_QUEUED} reads wait for ${this.#name} already`),
      );
    }
    this.#queued++;
    const result = this.#turn.then(() => this.#readInTurn(unit, range, onSent));
    this.#turn = result.then(nothing, nothing);
    return result.finally(() => this.#queued--);
  }

  close(): void {
    this.#closing.abort();
    this.#drop();
  }

  #drop(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined) return;
    connection.gone = true;
    connection.onGone();
    // destroy, never close: close does not settle once the peer is gone.
    connection.client.destroy(nothing);
    connection.socket.destroy();
  }

  get #name(): string {
    return `${this.#options.host}:${this.#options.port}`;
  }

  async #readInTurn(unit: number, range: RegisterRange, onSent: () => void): Promise<readonly number[]> {
    const connection = await this.#open();
    await this.#keepQuiet();
    if (isGone(connection)) {
      this.#drop();
      throw new GatewayError('meter-unreachable', `${this.#name} closed the connection`);
    }
    this.#requests++;
    onSent();
    try {
      return await this.#request(connection, unit, range);
    } catch (error) {
      const failure = toFailure(error, `${this.#name} unit ${unit}`);
      if (failure.code !== 'meter-exception') this.#drop();
      throw failure;
    } finally {
      this.#quietUntilMs = this.#options.timers.nowMs() + this.#options.minGapMs;
    }
  }

  async #request(connection: Connection, unit: number, range: RegisterRange): Promise<readonly number[]> {
    const { client } = connection;
    const gone = new Promise<never>((_, reject) => {
      connection.onGone = (failure) =>
        reject(failure ?? new GatewayError('meter-unreachable', `${this.#name} closed the connection`));
    });
    // setID is state of the client: it stands directly before the read, with no await between.
    client.setID(unit);
    const answer =
      range.function === 3
        ? client.readHoldingRegisters(range.address, range.count)
        : client.readInputRegisters(range.address, range.count);
    const { data } = await Promise.race([answer, gone]);
    // The library resolves with one word too many, or too few, when the device's byte count is wrong.
    if (data.length !== range.count) {
      throw new GatewayError('meter-garbled', `${this.#name}: expected ${range.count} registers, got ${data.length}`);
    }
    return data;
  }

  async #open(): Promise<Connection> {
    const current = this.#connection;
    if (current !== undefined && !isGone(current)) return current;
    this.#drop();
    const connection = await connect(this.#options, this.#closing.signal);
    this.#connections++;
    this.#connection = connection;
    return connection;
  }

  async #keepQuiet(): Promise<void> {
    const waitMs = this.#quietUntilMs - this.#options.timers.nowMs();
    if (waitMs > 0) await pause(this.#options.timers, waitMs);
  }
}

/** Does not rely on events alone: after a reset the library reports nothing, and only its flag has changed. */
function isGone({ gone, client, socket }: Connection): boolean {
  return gone || !client.isOpen || socket.destroyed || socket.readableEnded;
}

async function connect(options: ModbusLinkOptions, closing: AbortSignal): Promise<Connection> {
  const socket = await openSocket(options, closing);
  const client = new modbus.default();
  const connection: Connection = { client, socket, gone: false, onGone: nothing };
  const end = () => {
    connection.gone = true;
    connection.onGone();
  };
  const watch = new MbapWatch();
  // Before the library listens: what is no answer is known before it could be taken for one.
  socket.on('data', (bytes: Buffer) => {
    if (connection.gone || watch.accept(bytes)) return;
    connection.gone = true;
    const name = `${options.host}:${options.port}`;
    connection.onGone(new GatewayError('meter-garbled', `${name} sent what is no Modbus TCP`));
    socket.destroy();
  });
  // Events only shorten the wait; every read has its time-out. An emitter without an error listener would throw.
  socket.on('end', end).on('close', end).on('error', end);
  client.on('error', nothing);
  await client.linkTCP(socket, { port: options.port });
  client.setTimeout(options.readTimeoutMs ?? READ_TIMEOUT_MS);
  return connection;
}

function openSocket(options: ModbusLinkOptions, closing: AbortSignal): Promise<Socket> {
  const name = `${options.host}:${options.port}`;
  if (closing.aborted) return Promise.reject(new GatewayError('meter-unreachable', `the way to ${name} is closed`));
  return new Promise((resolve, reject) => {
    const socket = new Socket();
    const end = () => fail(`the way to ${name} is closed`);
    const fail = (message: string, cause?: unknown) => {
      cancel();
      closing.removeEventListener('abort', end);
      socket.removeAllListeners();
      // A connection that is still being opened must not come to life later.
      socket.on('error', nothing).destroy();
      reject(new GatewayError('meter-unreachable', message, { cause }));
    };
    const waitMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    const cancel = options.timers.after(waitMs, () => fail(`${name} accepted no connection within ${waitMs} ms`));
    socket.once('error', (error) => fail(`${name} accepts no connection: ${reasonOf(error)}`, error));
    closing.addEventListener('abort', end);
    socket.once('connect', () => {
      cancel();
      closing.removeEventListener('abort', end);
      socket.removeAllListeners('error');
      socket.setNoDelay();
      resolve(socket);
    });
    socket.connect({ host: options.host, port: options.port });
  });
}

function toFailure(error: unknown, name: string): GatewayError {
  if (error instanceof GatewayError) return error;
  const { modbusCode, errno, name: kind } = error as { modbusCode?: unknown; errno?: unknown; name?: unknown };
  if (typeof modbusCode === 'number') {
    const message = `${name} answered with Modbus exception ${modbusCode}`;
    return new GatewayError('meter-exception', message, { cause: error, modbusCode });
  }
  if (kind === 'TransactionTimedOutError') {
    return new GatewayError('meter-timeout', `${name} did not answer in time`, { cause: error });
  }
  if (kind === 'PortNotOpenError' || errno === 'ECONNREFUSED') {
    return new GatewayError('meter-unreachable', `${name} closed the connection`, { cause: error });
  }
  return new GatewayError('meter-garbled', `${name} sent no answer to the request: ${reasonOf(error)}`, {
    cause: error,
  });
}

function nothing(): void {}
