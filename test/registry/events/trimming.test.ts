import { describe, expect, test } from 'vitest';
import type { Telemetry } from '../../../src/telemetry/telemetry.ts';
import { quietTelemetry } from '../../upstream/connect.ts';
import { startReceiver } from './support/receiver.ts';
import { type EventStage, idsOf, openStage } from './support/stage.ts';

const PATIENT = { timeout: 15_000 };
const KEEP_MS = 3_600_000;
const trimming = { keepMs: KEEP_MS, trimEveryMs: 20 };

const sequences = async (stage: EventStage) => (await stage.index.readEvents(0, 5000)).map(({ sequence }) => sequence);

/** How many events a webhook lost, by its name. */
async function lost({ metrics }: Telemetry): Promise<Record<string, number>> {
  const { values } = await metrics.webhookLostEvents.get();
  return Object.fromEntries(values.map(({ labels, value }) => [labels.webhook, value]));
}

describe('the event log', () => {
  test('forgets what is older than it has to be, and nothing else', async () => {
    await using stage = await openStage();
    const longAgoMs = Date.now() - KEEP_MS;
    await stage.happenAt(longAgoMs - 60_000, ...Array.from({ length: 600 }, () => 'local/a'));
    const young = await stage.happenAt(longAgoMs + 60_000, 'local/a', 'local/b');
    young.push(...(await stage.happen('local/c')));
    await stage.open(trimming);
    await expect.poll(() => sequences(stage), PATIENT).toEqual(young);
    expect(await stage.index.lastEvent()).toBe(603);
  });

  test('that is kept for ever forgets nothing', async () => {
    await using stage = await openStage();
    const happened = await stage.happenAt(1, 'local/a', 'local/b');
    const outlet = await stage.open({ keepMs: Infinity, trimEveryMs: 1 });
    await outlet[Symbol.asyncDispose]();
    expect(await sequences(stage)).toEqual(happened);
  });

  test('forgets what a webhook was not told of, which goes on with the rest', async () => {
    await using receiver = await startReceiver(() => 503);
    await using stage = await openStage();
    const telemetry = quietTelemetry();
    const webhooks = [{ name: 'ci', url: receiver.url, repositories: ['local/*'] }];
    const outlet = await stage.open({ ...trimming, telemetry, webhooks });
    const longAgoMs = Date.now() - KEEP_MS;
    await stage.happenAt(longAgoMs - 60_000, 'local/a', 'other/a', 'local/a', 'local/b');
    const young = await stage.happenAt(longAgoMs + 600_000, 'local/a', 'local/b');
    await expect.poll(() => sequences(stage), PATIENT).toEqual(young);
    expect(await lost(telemetry)).toEqual({ ci: 3 });
    // An attempt that is under way at that moment may still arrive.
    receiver.react = ({ ids: [id = ''] }) => (idsOf(young).includes(id) ? 204 : 503);
    await expect.poll(() => outlet.status(), PATIENT).toMatchObject([{ pendingEvents: 0 }]);
    expect(receiver.accepted.flatMap(({ ids }) => ids).sort()).toEqual(idsOf(young));
  });

  test('tells other readers what it is about to forget, until they do not listen any more', async () => {
    await using stage = await openStage();
    const outlet = await stage.open(trimming);
    const told: number[] = [];
    const listening = outlet.onTrim((events) => told.push(...events.map(({ sequence }) => sequence)));
    const longAgoMs = Date.now() - KEEP_MS - 60_000;
    const first = await stage.happenAt(longAgoMs, 'local/a', 'local/b');
    await expect.poll(() => sequences(stage), PATIENT).toEqual([]);
    expect(told).toEqual(first);
    listening[Symbol.dispose]();
    await stage.happenAt(longAgoMs, 'local/c');
    await expect.poll(() => sequences(stage), PATIENT).toEqual([]);
    expect(told).toEqual(first);
  });

  test('counts what a webhook loses that it has not even looked at', async () => {
    await using receiver = await startReceiver(() => 503);
    await using stage = await openStage();
    const telemetry = quietTelemetry();
    const settings = { webhooks: [{ name: 'ci', url: receiver.url }], pageEvents: 2, maxOpenEvents: 2 };
    await stage.open(settings);
    await stage.happenAt(Date.now() - 2 * KEEP_MS, ...Array.from({ length: 9 }, (_, number) => `local/${number}`));
    await receiver.until(() => receiver.received.length > 0);
    await stage.close();
    await stage.open({ ...settings, ...trimming, telemetry });
    await expect.poll(() => sequences(stage), PATIENT).toEqual([]);
    expect(await lost(telemetry)).toEqual({ ci: 9 });
  });

  test('tells at the start what a webhook lost while it was not configured', async () => {
    await using receiver = await startReceiver();
    await using stage = await openStage();
    const telemetry = quietTelemetry();
    const settings = { ...trimming, webhooks: [{ name: 'ci', url: receiver.url }] };
    await stage.open(settings);
    await stage.close();
    await stage.open(trimming);
    await stage.happenAt(Date.now() - 2 * KEEP_MS, 'local/a', 'local/b');
    const young = await stage.happen('local/c');
    await expect.poll(() => sequences(stage), PATIENT).toEqual(young);
    await stage.restart();
    await stage.open({ ...settings, telemetry });
    expect(await lost(telemetry)).toEqual({ ci: 2 });
    await receiver.until(() => receiver.accepted.length === 1);
    expect(receiver.received.flatMap(({ ids }) => ids)).toEqual(idsOf(young));
  });

  test('loses nothing of a webhook that keeps up', async () => {
    await using receiver = await startReceiver();
    await using stage = await openStage();
    const telemetry = quietTelemetry();
    const outlet = await stage.open({ webhooks: [{ name: 'ci', url: receiver.url }] });
    await stage.happenAt(Date.now() - 2 * KEEP_MS, 'local/a', 'local/b');
    await expect.poll(() => outlet.status(), PATIENT).toMatchObject([{ pendingEvents: 0 }]);
    await stage.restart();
    await stage.open({ ...trimming, telemetry, webhooks: [{ name: 'ci', url: receiver.url }] });
    await expect.poll(() => sequences(stage), PATIENT).toEqual([]);
    expect(await lost(telemetry)).toEqual({});
  });
});
