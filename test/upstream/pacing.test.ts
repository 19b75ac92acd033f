import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { Telemetry } from '../../src/telemetry/telemetry.ts';
import { ByteRate } from '../../src/util/byte-rate.ts';
import { Secret } from '../../src/util/secret.ts';
import { seededBytes } from '../support/bytes.ts';
import { ref } from './connect.ts';
import { connectPeer, CountingPace, TestBlob } from './support/connect-peer.ts';
import { startPushRegistry } from './support/push-registry.ts';
import { startRelay } from './support/relay.ts';

const MIB = 1024 * 1024;
const V1 = ref('v1');
const MANIFEST = {
  bytes: Buffer.from(JSON.stringify({ schemaVersion: 2, annotations: { text: 'x'.repeat(200_000) } })),
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
};
const credentials = { type: 'basic', username: 'ci', password: new Secret('secret') } as const;

/** What a counter of peers says. */
async function counted({ registry }: Metrics, name: string): Promise<Record<string, number>> {
  const metric = await registry.getSingleMetric(name)?.get();
  return Object.fromEntries(
    (metric?.values ?? []).map(({ labels, value }) => [[labels['kind'], labels['status']].join(' '), value]),
  );
}

describe('all that is sent to a peer', () => {
  test('is charged to the byte, and counted as it is charged', async () => {
    await using registry = await startPushRegistry({ auth: { type: 'bearer', users: { ci: 'secret' } } });
    await using relay = await startRelay(registry.url);
    const metrics = new Metrics('test');
    await using peer = connectPeer(relay.url, { credentials }, { telemetry: new Telemetry(silentLogger(), metrics) });
    const pace = new CountingPace();
    await peer.ping({ pace });
    await peer.pushBlob('team/app', new TestBlob(seededBytes(5 * MIB, 1)), { pace });
    await peer.pushBlob('team/app', new TestBlob(seededBytes(100, 2)), { pace });
    await peer.putManifest('team/app', V1, MANIFEST, { pace });
    await peer.headManifest('team/app', V1, { pace });
    await peer.deleteManifest('team/app', V1, { pace });
    const sent = (await counted(metrics, 'entrepot_peer_sent_bytes_total'))[' '] ?? 0;
    expect(registry.tokens?.asked).toHaveLength(3);
    expect(sent).toBe(relay.sentBytes);
    expect(pace.sum).toBe(sent);
    expect(Math.max(...pace.taken)).toBeLessThan(66_000);
  });

  test('without a pace is charged to whoever comes next', async () => {
    await using registry = await startPushRegistry();
    await using relay = await startRelay(registry.url);
    await using peer = connectPeer(relay.url);
    const pace = new CountingPace();
    await peer.pushBlob('team/app', new TestBlob(seededBytes(MIB, 1)));
    await peer.ping({ pace });
    expect(pace.taken).toEqual([relay.sentBytes]);
  });

  test('never rests for long in the middle of a body, however slow it is let go', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url);
    const taken: number[] = [];
    const pace = { take: async (bytes: number) => void (await sleep(bytes / 60), taken.push(bytes)) };
    await peer.pushBlob('team/app', new TestBlob(seededBytes(100_000, 1)), { pace });
    // At 60 bytes a millisecond the largest piece would take more than a second.
    expect(Math.max(...taken)).toBeLessThanOrEqual(32 * 1024);
    expect(taken.length).toBeLessThan(25);
  });

  test('goes no faster than it is let', async () => {
    await using registry = await startPushRegistry();
    await using peer = connectPeer(registry.url);
    const pace = new ByteRate(4 * MIB);
    const start = performance.now();
    await peer.pushBlob('team/app', new TestBlob(seededBytes(2 * MIB, 1)), { pace });
    expect(performance.now() - start).toBeGreaterThan(400);
  });
});

test('requests to peers are counted as that, and are none to upstreams', async () => {
  await using registry = await startPushRegistry({ auth: { type: 'bearer', users: { ci: 'secret' } } });
  registry.fail({ method: 'PUT', path: /uploads/ }, { kind: 'reset', afterBytes: 10 });
  const metrics = new Metrics('test');
  await using peer = connectPeer(registry.url, { credentials }, { telemetry: new Telemetry(silentLogger(), metrics) });
  await peer.headManifest('team/app', V1);
  const blob = new TestBlob(seededBytes(1000, 1));
  await expect(peer.pushBlob('team/app', blob)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  await peer.pushBlob('team/app', blob);
  expect(await counted(metrics, 'entrepot_peer_requests_total')).toEqual({
    'manifest 401': 1,
    'token 200': 1,
    'manifest 404': 1,
    'upload 202': 1,
    'upload UNREACHABLE': 1,
    'upload 204': 1,
    'upload 201': 1,
  });
  expect(await counted(metrics, 'entrepot_upstream_requests_total')).toEqual({});
});
