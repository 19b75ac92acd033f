import pino from 'pino';
import { describe, expect, test } from 'vitest';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { Telemetry } from '../../src/telemetry/telemetry.ts';
import { CodedError } from '../../src/util/coded-error.ts';

/** What was told, as metrics and as lines. */
async function telling(tell: (telemetry: Telemetry) => void): Promise<{ metrics: string[]; lines: object[] }> {
  const lines: object[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line) as object) });
  const telemetry = new Telemetry(log, new Metrics('eu-west'));
  tell(telemetry);
  const text = await telemetry.metrics.registry.metrics();
  const metrics = text.split('\n').filter((line) => line.startsWith('entrepot_webhook'));
  return { metrics: metrics.map((line) => line.replace(/,?site="eu-west"/, '')), lines };
}

const about = { webhook: 'ci', kind: 'push', sequence: 7, repository: 'local/app' };
const error = new CodedError('ANSWERED', 'the receiver answered 503');
const [INFO, WARN, ERROR, DEBUG] = [30, 40, 50, 20];

describe('what webhooks do', () => {
  test('is counted by result', async () => {
    const { metrics } = await telling((telemetry) => {
      telemetry.eventDelivered({ ...about, attempts: 1 });
      telemetry.eventDelivered({ ...about, attempts: 3 });
      telemetry.eventNotDelivered({ ...about, attempts: 1, retryMs: 1000, error });
      telemetry.eventRefused({ ...about, attempts: 5, error });
      telemetry.eventsLost({ webhook: 'ci', events: 12, isExact: true });
    });
    expect(metrics).toEqual([
      'entrepot_webhook_deliveries_total{webhook="ci",result="delivered"} 2',
      'entrepot_webhook_deliveries_total{webhook="ci",result="failed"} 1',
      'entrepot_webhook_deliveries_total{webhook="ci",result="refused"} 1',
      'entrepot_webhook_lost_events_total{webhook="ci"} 12',
    ]);
  });

  test('is told in lines of a weight that fits', async () => {
    const { lines } = await telling((telemetry) => {
      telemetry.eventDelivered({ ...about, attempts: 1 });
      telemetry.eventDelivered({ ...about, attempts: 3 });
      telemetry.eventNotDelivered({ ...about, attempts: 1, retryMs: 1000, error });
      telemetry.eventNotDelivered({ ...about, attempts: 2, retryMs: 1000, error });
      telemetry.eventRefused({ ...about, attempts: 5, error });
      telemetry.eventsLost({ webhook: 'ci', events: 12, isExact: false });
    });
    expect(lines).toMatchObject([
      { level: DEBUG, ...about, msg: 'event delivered' },
      { level: INFO, attempts: 3 },
      { level: WARN, attempts: 1, retryMs: 1000, code: 'ANSWERED', error: 'the receiver answered 503' },
      { level: DEBUG, attempts: 2 },
      { level: ERROR, ...about, attempts: 5, code: 'ANSWERED' },
      { level: WARN, webhook: 'ci', events: 12 },
    ]);
  });

  test('is told as it is at the moment of looking', async () => {
    const pendingSinceMs = Date.now() - 60_000;
    const { metrics } = await telling((telemetry) => {
      telemetry.metrics.observeWebhooks(() =>
        Promise.resolve([
          { name: 'ci', pendingEvents: 3, pendingSinceMs },
          { name: 'chat', pendingEvents: 0 },
        ]),
      );
    });
    expect(metrics).toEqual([
      'entrepot_webhook_pending_events{webhook="ci"} 3',
      'entrepot_webhook_pending_events{webhook="chat"} 0',
      expect.stringMatching(/^entrepot_webhook_lag_seconds\{webhook="ci"\} [6-9]\d/),
      'entrepot_webhook_lag_seconds{webhook="chat"} 0',
    ]);
  });
});
