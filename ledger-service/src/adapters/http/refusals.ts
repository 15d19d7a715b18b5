/** Everything that is not an answer leaves as a problem: errors, routes and methods that there are not, broken requests. */
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { HttpApp, HttpContext } from './context.js';
import { unknownName } from './parameters.js';
import { PROBLEM_TYPE, type Problem, problemFromError, problemOf } from './problems.js';
import { fieldNames } from './schemas.js';

const METHOD_NOT_ALLOWED = 405;
const MAX_SHOWN = 120;

export function answerErrors(app: HttpApp, { onFault }: Pick<HttpContext, 'onFault'>): void {
  const methods = new MethodsByPath();
  app.addHook('onRoute', ({ method, url }) => methods.add(url, [method].flat()));
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const { problem, isFault } = problemFromError(fromValidation(error, request) ?? error);
    if (isFault) onFault(error);
    return sendProblem(reply, problem);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const allowed = methods.of(path);
    if (allowed.length === 0) return sendProblem(reply, problemOf('not-found', `no route ${shorten(path)}: see /docs`));
    reply.header('allow', allowed.join(', '));
    if (request.method === 'OPTIONS') return reply.status(204).send();
    const detail = `${shorten(path)}: expected ${allowed.join(', ')}, got ${request.method}`;
    return sendProblem(reply, problemOf('bad-request', detail, METHOD_NOT_ALLOWED));
  });
}

function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="commonwatt"');
  return reply.status(problem.status).type(PROBLEM_TYPE).send(JSON.stringify(problem));
}

/** A field too many gets the nearest right name; what else a schema refuses speaks for itself. */
function fromValidation(error: FastifyError, request: FastifyRequest): Error | undefined {
  const [first] = error.validation ?? [];
  const extra = first?.params.additionalProperty;
  if (typeof extra !== 'string') return undefined;
  return unknownName('field', extra, fieldNames(request.routeOptions.schema?.body));
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
    return methods.length === 0 ? [] : [...new Set([...methods, 'OPTIONS'])].sort();
  }
}

/** Untrusted, and not HTTP: answered on the bare socket, then closed. */
export function refuseBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, phrase] = BROKEN[error.code ?? ''] ?? [400, 'Bad Request'];
  const body = JSON.stringify(problemOf('bad-request', `not a request of HTTP (${phrase})`, status));
  const head = [
    `HTTP/1.1 ${status} ${phrase}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

const BROKEN: { readonly [code: string]: readonly [number, string] } = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
};

function shorten(text: string): string {
  return JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text);
}
