import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { messageOf, SimError } from '../errors.js';
import { answerPdu, type RegisterSource } from './answer.js';
import { bendAnswer, type FaultyAnswer, type LineFault } from './fault.js';
import { joinMbap, type ModbusRequest, splitMbap } from './mbap.js';
import type { PortKeeper } from './port-keeper.js';

export interface ModbusServerOptions {
  readonly host: string;
  /** 0 takes a free one and keeps it for the server's life. */
  readonly port: number;
  /** The unit id it answers to, besides 0 and 255, which address whatever stands at the other end directly. */
  readonly unit: number;
  readonly source: RegisterSource;
  readonly keeper: PortKeeper;
}

export interface ModbusServerStats {
  /** Complete frames that came, answered or not. */
  readonly requests: number;
  /** Connections ever accepted. */
  readonly connections: number;
}

/** More than any gateway opens; beyond it the connection that was silent longest makes room. */
const MAX_CONNECTIONS = 32;
/** A client that asks and never reads gets no further answers until it does. */
const MAX_UNREAD_BYTES = 65_536;
/** Answers that a fault delays; a client that sends more meanwhile is cut off. */
const MAX_DELAYED = 64;
/** How long a closing connection may take to be noticed at the other end before it is cut. */
const GOODBYE_MS = 250;
const DIRECT_UNITS = [0, 255];

interface Connection {
  readonly socket: Socket;
  readonly timers: Set<NodeJS.Timeout>;
  rest: Buffer;
  lastOrder: number;
}

/** One device on Modbus TCP (Modbus Messaging on TCP/IP Implementation Guide V1.0b): reads only, faults on command. */
export class ModbusServer {
  readonly #options: ModbusServerOptions;
  readonly #connections = new Set<Connection>();
  #server: Server | undefined;
  #port: number;
  #requests = 0;
  #accepted = 0;
  #order = 0;
  #fault: { readonly fault: LineFault; left: number } | undefined;

  constructor(options: ModbusServerOptions) {
    this.#options = options;
    this.#port = options.port;
  }

  /** Port it listens on, or will again. 0 before the first start. */
  get port(): number {
    return this.#port;
  }

  get listening(): boolean {
    return this.#server !== undefined;
  }

  get stats(): ModbusServerStats {
    return { requests: this.#requests, connections: this.#accepted };
  }

  /** Listens, again on the same port. Throws `cannot-listen`. Does nothing if it does already. */
  async accept(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer({ noDelay: true }, (socket) => this.#welcome(socket));
    await new Promise<void>((resolve, reject) => {
      const refuse = (error: Error) =>
        reject(
          new SimError('cannot-listen', `${this.#options.host}:${this.#port}: ${messageOf(error)}`, { cause: error }),
        );
      server.once('error', refuse);
      server.listen({ host: this.#options.host, port: this.#port }, () => {
        server.off('error', refuse);
        // What goes wrong with one connection that was to be accepted is no end of the meter.
        server.on('error', () => {});
        resolve();
      });
    });
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    this.#options.keeper.release(this.#port);
  }

  /** Stops listening and ends every connection; resolves when the other ends know it. The port stays ours. */
  async refuse(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    await this.#options.keeper.prepare(this.#options.host);
    this.#server = undefined;
    server.close();
    const held = this.#options.keeper.hold(this.#options.host, this.#port);
    await Promise.all([held, ...[...this.#connections].map((connection) => this.#farewell(connection))]);
  }

  /** Ends everything at once and gives the port up. */
  stop(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const connection of this.#connections) this.#drop(connection);
    this.#options.keeper.release(this.#port);
  }

  /** From now on, for `count` requests (without it, until told otherwise), answers are bent. Undefined heals. */
  setFault(fault: LineFault | undefined, count = Number.POSITIVE_INFINITY): void {
    this.#fault = fault === undefined ? undefined : { fault, left: count };
  }

  #welcome(socket: Socket): void {
    this.#accepted++;
    if (this.#connections.size >= MAX_CONNECTIONS) this.#dropQuietest();
    const connection: Connection = { socket, timers: new Set(), rest: Buffer.alloc(0), lastOrder: this.#order++ };
    this.#connections.add(connection);
    socket.on('data', (bytes: Buffer) => this.#receive(connection, bytes));
    socket.on('drain', () => socket.resume());
    // A reset is how many clients say goodbye.
    socket.on('error', () => this.#drop(connection));
    socket.on('close', () => this.#drop(connection));
  }

  /** Untrusted: bytes from whoever connected. */
  #receive(connection: Connection, bytes: Buffer): void {
    connection.lastOrder = this.#order++;
    const whole = connection.rest.length === 0 ? bytes : Buffer.concat([connection.rest, bytes]);
    const { requests, rest, broken } = splitMbap(whole);
    connection.rest = rest;
    for (const request of requests) this.#answer(connection, request);
    if (broken) this.#drop(connection);
  }

  #answer(connection: Connection, request: ModbusRequest): void {
    this.#requests++;
    if (request.unit !== this.#options.unit && !DIRECT_UNITS.includes(request.unit)) return;
    const frame = joinMbap({ ...request, pdu: answerPdu(request.pdu, this.#options.source) });
    const answer = bendAnswer(frame, this.#takeFault());
    if (answer.delayMs === 0) this.#send(connection, answer);
    else this.#sendLater(connection, answer);
  }

  #takeFault(): LineFault | undefined {
    const current = this.#fault;
    if (current === undefined) return undefined;
    current.left--;
    if (current.left <= 0) this.#fault = undefined;
    return current.fault;
  }

  #sendLater(connection: Connection, answer: FaultyAnswer): void {
    if (connection.timers.size >= MAX_DELAYED) {
      this.#drop(connection);
      return;
    }
    const timer = setTimeout(() => {
      connection.timers.delete(timer);
      this.#send(connection, answer);
    }, answer.delayMs);
    connection.timers.add(timer);
  }

  #send({ socket }: Connection, { bytes, hangUp }: FaultyAnswer): void {
    if (socket.destroyed || !socket.writable) return;
    if (bytes.length > 0) socket.write(bytes);
    if (hangUp) socket.end();
    else if (socket.writableLength > MAX_UNREAD_BYTES) socket.pause();
  }

  /** FIN, then wait until the other end has closed too, so that it does not write into a connection that is gone. */
  async #farewell(connection: Connection): Promise<void> {
    const { socket } = connection;
    if (socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const cut = setTimeout(() => socket.destroy(), GOODBYE_MS);
      socket.once('close', () => {
        clearTimeout(cut);
        resolve();
      });
      socket.resume();
      socket.end();
    });
  }

  #dropQuietest(): void {
    const [quietest] = [...this.#connections].toSorted((a, b) => a.lastOrder - b.lastOrder);
    if (quietest !== undefined) this.#drop(quietest);
  }

  #drop(connection: Connection): void {
    for (const timer of connection.timers) clearTimeout(timer);
    connection.timers.clear();
    connection.socket.destroy();
    this.#connections.delete(connection);
  }
}
