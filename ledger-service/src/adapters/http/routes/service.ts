/** The service itself: where to go from here, whether it is well, and what its errors mean. */
import { readFile } from 'node:fs/promises';
import { Type } from 'typebox';
import { LedgerError } from '../../../core/errors.js';
import { healthOf } from '../../../usecases/queries/index.js';
import type { HttpApp, HttpContext, MetricsPage } from '../context.js';
import { withoutGaps } from '../format.js';
import { Count, Id, PROBLEMS, Size } from '../schemas.js';

const HealthSchema = Type.Object({
  status: Type.Enum(['healthy', 'degraded', 'unhealthy']),
  reasons: Type.Array(Type.String(), {
    description: 'Empty when healthy. Degraded is 200: it works, and asks for the operator',
  }),
  version: Type.String(),
  communities: Type.Array(
    Type.Object({
      id: Id,
      size: Size,
      newest_frame_age_s: Type.Optional({ ...Count, description: "By the ledger's clock; absent before the first" }),
      held_intervals: { ...Count, description: 'Due, but not booked: their money or energy fits no account' },
    }),
  ),
});

/** In the repository, beside the packages. */
const ERRORS_PAGE = new URL('../../../../../docs/ERRORS.md', import.meta.url);

export function serviceRoutes(app: HttpApp, context: HttpContext): void {
  app.get('/', { config: { access: 'public', changes: 'freely' }, schema: { hide: true } }, async () => ({
    name: 'Commonwatt ledger',
    version: context.version,
    links: {
      docs: '/docs',
      openapi: '/openapi.json',
      health: '/health',
      ...(context.metrics && { metrics: '/metrics' }),
      communities: '/v1/communities',
    },
  }));
  healthRoute(app, context);
  if (context.metrics !== undefined) metricsRoute(app, context.metrics);
  const config = { access: 'public', changes: 'freely' } as const;
  app.get('/docs/ERRORS.md', { config, schema: { hide: true } }, async (_request, reply) => {
    const page = await readFile(ERRORS_PAGE, 'utf8').catch(() => undefined);
    if (page === undefined) throw new LedgerError('not-found', 'docs/ERRORS.md is not installed beside this service');
    return reply.type('text/markdown; charset=utf-8').send(page);
  });
}

function healthRoute(app: HttpApp, context: HttpContext): void {
  app.get(
    '/health',
    {
      config: { access: 'public' },
      schema: {
        tags: ['service'],
        summary: 'Whether the ledger can work',
        response: { 200: HealthSchema, 503: HealthSchema },
      },
    },
    async (request, reply) => {
      const onFault = (error: unknown) => {
        request.fault = error;
        context.onFault(error);
      };
      const { status, reasons, communities } = await healthOf({ ...context, onFault });
      return reply.status(status === 'unhealthy' ? 503 : 200).send({
        status,
        reasons: [...reasons],
        version: context.version,
        communities: communities.map(({ id, size, newestFrameAgeS, heldIntervals }) =>
          withoutGaps({ id, size, newest_frame_age_s: newestFrameAgeS, held_intervals: heldIntervals }),
        ),
      });
    },
  );
}

/** How long ago a home was heard of says something about it: off loopback it takes the token, as members' data does. */
function metricsRoute(app: HttpApp, metrics: MetricsPage): void {
  app.get(
    '/metrics',
    {
      config: { access: 'member-data' },
      schema: {
        tags: ['service'],
        summary: 'Figures of the running service, in the text format of Prometheus',
        produces: ['text/plain'],
        response: { 200: Type.String(), ...PROBLEMS },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  );
}
