/** The HTTP API. This puts it together; who listens, and where, is the caller's business. */
import type { Hasher } from '@commonwatt/firmware-protocol';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, { type FastifyInstance } from 'fastify';
import type { Clock, LedgerStore } from '../../usecases/ports.js';
import type { Probe } from '../../usecases/queries/index.js';
import { type Access, AccessControl } from './access.js';
import { answerConditionally } from './conditional.js';
import type { EntryDoor, HttpApp, HttpContext, MetricsPage } from './context.js';
import { type OnAnswer, observeRequests, requestIdOf } from './observing.js';
import { refuseOddNumbers, refuseUnknownParameters } from './parameters.js';
import { answerErrors, refuseBrokenAddress, refuseBrokenRequest, refuseTunnel, validationError } from './refusals.js';
import { balanceRoutes } from './routes/balances.js';
import { communityRoutes } from './routes/communities.js';
import { gatewayRoutes } from './routes/gateways.js';
import { logRoutes } from './routes/log.js';
import { registryRoutes } from './routes/registry.js';
import { serviceRoutes } from './routes/service.js';
import { settlementRoutes } from './routes/settlements.js';
import { statementRoutes } from './routes/statements.js';

export interface HttpAppOptions {
  readonly entries: EntryDoor;
  readonly store: LedgerStore;
  readonly clock: Clock;
  readonly hasher: Hasher;
  /** The operator's token. */
  readonly token: string;
  /** The address that will be listened on: off loopback, members' data takes the token. */
  readonly bind: string;
  /** Host names besides loopback's own that are answered when bound to loopback: a proxy's. */
  readonly hosts?: readonly string[];
  readonly version: string;
  /** What else has to be well for the ledger to be. */
  readonly probes?: readonly Probe[];
  /** By community, how many of its intervals cannot be booked now. */
  readonly heldIntervals?: () => ReadonlyMap<string, number>;
  /** Told of what is the service's own fault, with the cause that the caller is not shown. */
  readonly onFault?: (error: unknown) => void;
  /** Told of every request when it is answered. */
  readonly onAnswer?: OnAnswer;
  /** Absent: there is no `/metrics`. */
  readonly metrics?: MetricsPage;
}

/** A request that is not through by then is a slow or hostile one. */
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 10_000;
const MAX_CONNECTIONS = 500;
/** Requests without a body of their own size: nothing but entries is ever posted. */
const SMALL_BODY_BYTES = 64 * 1024;
/** Longer than any id or instant, so that a schema refuses with a better word than the router. */
const MAX_PARAMETER_LENGTH = 256;

/** Not listening yet. Throws 'config' for an empty token. */
export function createHttpApp(options: HttpAppOptions): FastifyInstance {
  const access = new AccessControl({ token: options.token, bind: options.bind, hosts: options.hosts ?? [] });
  const context: HttpContext = {
    ...options,
    probes: options.probes ?? [],
    onFault: options.onFault ?? (() => undefined),
    onAnswer: options.onAnswer ?? (() => undefined),
  };
  const app: HttpApp = fastify({
    bodyLimit: SMALL_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: true,
    trustProxy: false,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    // Unknown fields are refused, not dropped.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true, useDefaults: true, allErrors: false } },
    schemaErrorFormatter: validationError,
    genReqId: requestIdOf,
    frameworkErrors: refuseBrokenAddress(context),
    clientErrorHandler: refuseBrokenRequest(context),
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.server.on('connect', refuseTunnel(context));
  // The schemas describe; they must not silently drop a field that a test would have missed.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.removeContentTypeParser('text/plain');
  answerErrors(app, context);
  observeRequests(app, context.onAnswer);
  guard(app, access);
  void app.register(swagger, { openapi: openapiOf(options.version) });
  void app.register(swaggerUi, { routePrefix: '/docs', staticCSP: DOCS_CSP });
  void app.register(async (scope: HttpApp) => {
    answerConditionally(scope, context.store);
    serviceRoutes(scope, context);
    const config = { access: 'public', changes: 'freely' } as const;
    scope.get('/openapi.json', { config, schema: { hide: true } }, async () => scope.swagger());
    await scope.register(async (v1: HttpApp) => v1Routes(v1, context), { prefix: '/v1' });
  });
  return app as unknown as FastifyInstance;
}

function v1Routes(app: HttpApp, context: HttpContext): void {
  app.addHook('onRoute', ({ method, config }) => {
    // What a route says of itself wins; most answers hang on the log alone.
    if (config !== undefined && (method === 'GET' || method === 'HEAD')) config.changes ??= 'with-log';
  });
  communityRoutes(app, context);
  registryRoutes(app, context);
  gatewayRoutes(app, context);
  balanceRoutes(app, context);
  statementRoutes(app, context);
  settlementRoutes(app, context);
  logRoutes(app, context);
}

/** In the order in which a request meets them. */
function guard(app: HttpApp, access: AccessControl): void {
  app.decorateRequest('asker', null as never);
  app.addHook('onRoute', ({ config, schema }) => {
    // For the documentation: the second, empty choice stands for loopback.
    if (schema !== undefined && config?.access === 'member-data') schema.security = [{ operator: [] }, {}];
    if (schema !== undefined && config?.access === 'operator') schema.security = [{ operator: [] }];
  });
  app.addHook('onRequest', async (request, reply) => {
    setHeaders(request.url, reply);
    access.checkHost(request);
    request.asker = access.check(request, accessOf(request.routeOptions));
  });
  app.addHook('preValidation', async (request) => {
    refuseUnknownParameters(request);
    refuseOddNumbers(request);
  });
}

/** The documentation's own page loads from here alone, and by plain HTTP too: nothing is upgraded. */
const DOCS_CSP =
  "default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self' data:; img-src 'self' data:; " +
  "script-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";
const DOCS = /^\/docs(?:\/|$|\?)/;

function accessOf({ url, config }: { url?: string | undefined; config: { access?: Access } }): Access {
  // Routes of the documentation's own plugin, and no route at all, carry no mark.
  if (config.access === undefined && (url === undefined || DOCS.test(url))) return 'public';
  return config.access ?? 'operator';
}

function setHeaders(url: string, reply: { header(name: string, value: string): unknown }): void {
  reply.header('x-content-type-options', 'nosniff');
  reply.header('referrer-policy', 'no-referrer');
  reply.header('x-frame-options', 'DENY');
  reply.header('cross-origin-resource-policy', 'same-origin');
  if (DOCS.test(url)) return;
  reply.header('cache-control', 'no-store');
  reply.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
}

const DESCRIPTION = [
  'Energies are kWh and credits are decimals, both with six places; instants are ISO 8601 in UTC.',
  'Lists come in pages: `limit`, and `after` with the `next` of the page before.',
  'Answers to GET have a strong `ETag` and heed `If-None-Match`; what never changes says so in `Cache-Control`.',
  'Every answer has an `X-Request-Id`: that of the request where it is well formed, else one that is drawn.',
].join(' ');

function openapiOf(version: string) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Commonwatt ledger',
      version,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    components: {
      securitySchemes: { operator: { type: 'http' as const, scheme: 'bearer', description: 'The operator token' } },
    },
    tags: [
      { name: 'communities', description: 'What a community is' },
      { name: 'registry', description: 'Who and what is enrolled' },
      { name: 'balances', description: 'What is owed, and why' },
      { name: 'settlement', description: 'Who gave and who got in each interval' },
      { name: 'log', description: 'The append-only log and its proofs' },
      { name: 'service', description: 'The service itself' },
    ],
  };
}
