import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import type { Metrics } from '../telemetry/metrics.ts';
import { type AdminApiOptions, addAdminApi } from './admin/admin-api.ts';
import { isDistributionUrl } from './distribution-path.ts';
import { errorJson } from './error-answer.ts';
import type { RequestListener } from './listener.ts';

/** Is this process fit for requests? `undefined` when it is, else why not. */
export type Readiness = () => string | undefined;

type App = Hono<{ Bindings: HttpBindings }>;

/** The mirror's door: the distribution API, and health for load balancers in front of it. */
export function mirrorListener(distribution: RequestListener, readiness: Readiness): RequestListener {
  const pages = getRequestListener(healthPages(readiness).fetch);
  return (message, response) => {
    if (isDistributionUrl(message.url ?? '')) distribution(message, response);
    else void pages(message, response);
  };
}

/** The admin listener: health, metrics and the operators' API. */
export function adminListener(metrics: Metrics, readiness: Readiness, api: AdminApiOptions): RequestListener {
  const app = healthPages(readiness);
  addAdminApi(app, api);
  app.get('/metrics', async (context) => {
    context.header('Content-Type', metrics.registry.contentType);
    return context.body(await metrics.registry.metrics());
  });
  const listener = getRequestListener(app.fetch);
  return (message, response) => void listener(message, response);
}

/** /livez: the process runs. /readyz: send it requests; an upstream that is down does not make a cache unfit. */
function healthPages(readiness: Readiness): App {
  const app: App = new Hono();
  app.get('/livez', (context) => context.text('ok\n'));
  app.get('/readyz', (context) => {
    const problem = readiness();
    return problem === undefined ? context.text('ok\n') : context.text(`${problem}\n`, 503);
  });
  app.notFound((context) => {
    context.header('Content-Type', 'application/json');
    return context.body(errorJson('UNSUPPORTED', 'there is nothing at this path'), 404);
  });
  return app;
}
