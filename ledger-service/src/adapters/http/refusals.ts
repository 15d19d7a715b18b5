/** Everything that is not an answer leaves as a problem: errors, routes and methods that there are not, broken requests. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { FastifySchemaValidationError } from 'fastify/types/schema.js';
import type { HttpApp, HttpContext } from './context.js';
import { requestIdOf } from './observing.js';
import { unknownName } from './parameters.js';
import { PROBLEM_TYPE, type Problem, problemFromError, problemOf } from './problems.js';
import { fieldNames } from './schemas.js';

const METHOD_NOT_ALLOWED = 405;
const MAX_SHOWN = 120;
/** How long a refused connection may take to read why. */
const LINGER_MS = 1_000;

export function answerErrors(app: HttpApp, { onFault }: Pick<HttpContext, 'onFault'>): void {
  const methods = new MethodsByPath();
  app.addHook('onRoute', ({ method, url }) => methods.add(url, [method].flat()));
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const { problem, isFault } = problemFromError(fromValidation(error, request) ?? error);
    if (isFault) {
      request.fault = error;
      onFault(error);
    }
    return sendProblem(reply, problem);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const allowed = methods.of(path);
    if (allowed.length === 0 || allowed.includes(request.method)) {
      return sendProblem(reply, problemOf('not-found', `no route ${shorten(path)}: see /docs`));
    }
    reply.header('allow', [...allowed, 'OPTIONS'].join(', '));
    if (request.method === 'OPTIONS') return reply.status(204).send();
    const detail = `${shorten(path)}: expected ${allowed.join(' or ')}, got ${request.method}`;
    return sendProblem(reply, problemOf('bad-request', detail, METHOD_NOT_ALLOWED));
  });
}

function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  reply.request.problemCode = problem.code;
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="commonwatt"');
  return reply.status(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
}

/** Of several things that are wrong with a body, a field too many says most: it gets the nearest right name. */
function fromValidation(error: FastifyError, request: FastifyRequest): Error | undefined {
  if (error.validation === undefined || error.validationContext !== 'body') return undefined;
  const known = fieldNames(request.routeOptions.schema?.body);
  const extra = Object.keys(Object(request.body)).find((name) => !known.includes(name)) ?? extraField(error);
  return extra === undefined ? undefined : unknownName('field', extra, known);
}

function extraField({ validation }: FastifyError): string | undefined {
  const extra = validation?.[0]?.params.additionalProperty;
  return typeof extra === 'string' ? extra : undefined;
}

/** What a schema refuses, as `limit: must be >= 1`. */
export function validationError(errors: readonly FastifySchemaValidationError[], part: string): Error {
  const [first] = errors;
  const where = first?.instancePath.slice(1).replaceAll('/', '.') || part;
  const allowed = first?.params.allowedValues;
  const choice = Array.isArray(allowed) ? `: ${allowed.join(', ')}` : '';
  return new Error(`${where}: ${first?.message ?? 'not understood'}${choice}`);
}

/** Which methods a path has, over all routes. */
class MethodsByPath {
  readonly #routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];

  add(url: string, methods: readonly string[]): void {
    const pattern = url
      .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replace(/:[^/]+/g, '[^/]+')
      .replace(/\*/g, '.*');
    this.#routes.push({ pattern: new RegExp(`^${pattern}$`), methods });
  }

  of(path: string): string[] {
    const methods = this.#routes.filter(({ pattern }) => pattern.test(path)).flatMap((route) => route.methods);
    return [...new Set(methods)].sort();
  }
}

/** Addresses that the router cannot read at all. No hook runs for them. */
export function refuseBrokenAddress({ onAnswer }: Pick<HttpContext, 'onAnswer'>) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void => {
    const status = error.statusCode ?? 400;
    reply.header('x-request-id', request.id);
    sendProblem(reply, problemOf('bad-request', 'the address is not one of this API: see /docs', status));
    onAnswer({ ...UNREAD, requestId: request.id, method: request.method, status, tookMs: reply.elapsedTime });
  };
}

const UNREAD = { route: '', code: 'bad-request' } as const;

/** Untrusted, and not HTTP: answered on the bare socket, then closed. */
export function refuseBrokenRequest({ onAnswer }: Pick<HttpContext, 'onAnswer'>) {
  return (error: Error & { code?: string }, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const [status, phrase] = BROKEN[error.code ?? ''] ?? [400, 'Bad Request'];
    endInProblem(socket, { status, phrase, detail: `not a request of HTTP (${phrase})` });
    onAnswer({ ...UNREAD, requestId: requestIdOf({ headers: {} }), method: '', status, tookMs: 0 });
  };
}

/** Untrusted: CONNECT asks for a way through to somewhere else, and comes past the router. */
export function refuseTunnel({ onAnswer }: Pick<HttpContext, 'onAnswer'>) {
  return (request: IncomingMessage, socket: Duplex): void => {
    // Whoever asked may have hung up by now.
    socket.on('error', () => socket.destroy());
    const status = METHOD_NOT_ALLOWED;
    endInProblem(socket, { status, phrase: 'Method Not Allowed', detail: 'CONNECT: this is no proxy' });
    onAnswer({ ...UNREAD, requestId: requestIdOf(request), method: 'CONNECT', status, tookMs: 0 });
  };
}

function endInProblem(
  socket: Duplex,
  { status, phrase, detail }: { readonly status: number; readonly phrase: string; readonly detail: string },
): void {
  const body = JSON.stringify(problemOf('bad-request', detail, status));
  const head = [
    `HTTP/1.1 ${status} ${phrase}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  // No parser watches over it any more: whoever does not hang up by himself is hung up on.
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}

const BROKEN: { readonly [code: string]: readonly [number, string] } = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
};

function shorten(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text);
}
