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
  const metrics = text.split('\n').filter((line) => line.startsWith('entrepot_replication'));
  return { metrics: metrics.map((line) => line.replace(/,?site="eu-west",?/, '')), lines };
}

const job = { rule: 'all', peer: 'us', repository: 'local/app', reference: 'v1', seconds: 0.5, sentBytes: 10 };
const error = new CodedError('REFUSED', 'us: it says no');
const [DEBUG, INFO, WARN, ERROR] = [20, 30, 40, 50];

describe('what replication does', () => {
  test('is counted by outcome, and timed if it did not fail', async () => {
    const { metrics } = await telling(({ replication }) => {
      replication.sent({ rule: 'all', peer: 'us', bytes: 7 });
      replication.jobDone({ ...job, outcome: 'copied', digest: 'sha256:0' });
      replication.jobDone({ ...job, outcome: 'present', digest: 'sha256:0' });
      replication.jobFailed({ ...job, tries: 1, retryMs: 1000, error, isPeerDown: false });
      replication.jobWaits({ ...job, tries: 1, retryMs: 1000, error });
      replication.jobGivenUp({ ...job, tries: 20, error });
      replication.jobParked({ ...job, tries: 5, error });
    });
    expect(metrics.filter((line) => !line.includes('_bucket'))).toEqual(
      expect.arrayContaining([
        'entrepot_replication_jobs_total{rule="all",peer="us",outcome="copied"} 1',
        'entrepot_replication_jobs_total{rule="all",peer="us",outcome="present"} 1',
        'entrepot_replication_jobs_total{rule="all",peer="us",outcome="failed"} 1',
        'entrepot_replication_jobs_total{rule="all",peer="us",outcome="incomplete"} 2',
        'entrepot_replication_jobs_total{rule="all",peer="us",outcome="parked"} 1',
        'entrepot_replication_sent_bytes_total{rule="all",peer="us"} 7',
        'entrepot_replication_job_seconds_sum{rule="all",peer="us"} 1',
        'entrepot_replication_job_seconds_count{rule="all",peer="us"} 2',
      ]),
    );
  });

  test('is told in lines of a weight that fits', async () => {
    const { lines } = await telling(({ replication }) => {
      replication.jobDone({ ...job, outcome: 'copied', digest: 'sha256:0' });
      replication.jobDone({ ...job, outcome: 'present', digest: 'sha256:0' });
      replication.jobFailed({ ...job, tries: 1, retryMs: 1000, error, isPeerDown: false });
      replication.jobFailed({ ...job, tries: 2, retryMs: 2000, error, isPeerDown: false });
      replication.jobFailed({ ...job, tries: 1, retryMs: 1000, error, isPeerDown: true });
      replication.jobParked({ ...job, tries: 5, error });
      replication.peerDown({ peer: 'us', error });
      replication.peerUp({ peer: 'us', downMs: 5 });
    });
    expect(lines).toMatchObject([
      { level: INFO, ...about(), outcome: 'copied', durationMs: 500 },
      { level: DEBUG, outcome: 'present' },
      { level: WARN, ...about(), tries: 1, code: 'REFUSED', error: 'us: it says no' },
      { level: DEBUG, tries: 2 },
      { level: DEBUG, tries: 1 },
      { level: ERROR, ...about(), tries: 5 },
      { level: WARN, peer: 'us', code: 'REFUSED' },
      { level: INFO, peer: 'us', downMs: 5 },
    ]);
  });

  test('is shown as it is at the moment of looking, with one look for all', async () => {
    let looks = 0;
    const { metrics } = await telling((telemetry) => {
      telemetry.metrics.replication.observe(async () => {
        looks += 1;
        const link = { rule: 'all', peer: 'us', lagSeconds: 12, pendingBytes: 100, lastDoneAtMs: 5000 };
        return { links: [{ ...link, jobs: { pending: 3, parked: 1 } }], peers: [{ name: 'us', isUp: false }] };
      });
    });
    expect(metrics).toEqual(
      expect.arrayContaining([
        'entrepot_replication_lag_seconds{rule="all",peer="us"} 12',
        'entrepot_replication_jobs{rule="all",peer="us",state="pending"} 3',
        'entrepot_replication_jobs{rule="all",peer="us",state="parked"} 1',
        'entrepot_replication_pending_bytes{rule="all",peer="us"} 100',
        'entrepot_replication_last_done_timestamp_seconds{rule="all",peer="us"} 5',
        'entrepot_replication_peer_up{peer="us"} 0',
      ]),
    );
    expect(looks).toBe(1);
  });
});

function about(): object {
  const { seconds: _, ...rest } = job;
  return rest;
}
