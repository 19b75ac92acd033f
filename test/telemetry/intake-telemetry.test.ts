import pino from 'pino';
import { expect, test } from 'vitest';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { Telemetry } from '../../src/telemetry/telemetry.ts';

test('a tag that was changed at two sites at once is counted and told', async () => {
  const lines: object[] = [];
  const log = pino({}, { write: (line: string) => lines.push(JSON.parse(line) as object) });
  const telemetry = new Telemetry(log, new Metrics('eu-west'));
  const conflict = {
    repository: 'local/app',
    tag: 'v1',
    kept: { digest: 'sha256:a', site: 'eu-west' },
    lost: { digest: 'sha256:b', site: 'us-east' },
  };
  telemetry.intake.conflictFound(conflict);
  const text = await telemetry.metrics.registry.metrics();
  expect(text).toContain('entrepot_replication_conflicts_total{site="eu-west"} 1\n');
  expect(lines).toMatchObject([{ level: 40, ...conflict }]);
});
