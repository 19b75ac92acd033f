import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { seededBytes, sha256 } from '../support/bytes.ts';
import { accessRules } from '../support/hosted.ts';
import { Listener } from '../support/listener.ts';
import { expectContent, expectError, expectGone } from './support/expect.ts';
import { INDEX } from './support/manifests.ts';
import { bytesOf, pushManifest } from './support/push.ts';
import { change, digestOfManifest, OURS, remove, replicate } from './support/replicas.ts';
import { type Client, jsonOf, send } from './support/send.ts';
import { asUser, atMirror, setStage } from './support/stage.ts';

/** What a webhook was told. */
interface Told {
  readonly data: { readonly kind: string; readonly repository: string; readonly origin?: object };
}

let receiver: Listener;
const told: Told[] = [];
const stage = setStage(async () => {
  receiver = await Listener.start((message, response) => void receive(message, response));
  const config = {
    site: 'eu-west',
    access: { htpasswd: './htpasswd', policy: accessRules(false), audit: './audit.log' },
    webhooks: [{ name: 'test', url: receiver.url, format: 'cloudevents' }],
  };
  return { config };
});
afterAll(async () => receiver[Symbol.asyncDispose]());

async function receive(message: IncomingMessage, response: ServerResponse): Promise<void> {
  told.push(JSON.parse(await text(message)) as Told);
  response.end();
}

/** Who replicates, in a hosted repository of its own. */
function peerAt(): Client {
  return asUser(stage.client('local/replicas'), 'peer');
}

test('GET /v2/ tells which site it is, at both doors', async () => {
  const client = stage.client();
  for (const door of [client, atMirror(stage, client), asUser(atMirror(stage, client), undefined)]) {
    const answer = await send(door, 'GET', '/v2/');
    expect([answer.status, answer.headers['entrepot-site']]).toEqual([200, 'eu-west']);
  }
});

describe('what says where it comes from', () => {
  test.each([
    '',
    'us-east',
    'site=us-east',
    'site=us-east; sequence=1; clock=soon',
    'site=a; sequence=1; clock=1.0; base=x',
  ])('must be understood: %j is not', async (value) => {
    const peer = peerAt();
    const headers = { 'Entrepot-Origin': value };
    for (const answer of [await replicate(peer, 'v1', OURS, headers), await remove(peer, 'v1', headers)]) {
      const [error] = expectError(answer, 400, 'UNSUPPORTED');
      expect(error?.message).toContain('site=eu-west; sequence=42; clock=1764425000123.0; base=sha256:');
    }
    await expectGone(peer, 'manifests/v1');
  });

  test('must stand there once', async () => {
    const peer = peerAt();
    const [value] = Object.values(change());
    const headers = { 'Content-Type': INDEX, 'Entrepot-Origin': [value ?? '', value ?? ''] };
    expectError(await send(peer, 'PUT', 'manifests/v1', { body: bytesOf(OURS), headers }), 400, 'UNSUPPORTED');
  });

  test('must not be of a time that has not come yet', async () => {
    const peer = peerAt();
    const [error] = expectError(await replicate(peer, 'v1', OURS, change(6)), 400, 'UNSUPPORTED');
    expect(error?.message).toMatch(
      /^the clock of us-east is ahead: the change is of \d{4}-.*Z, and here it is \d{4}-.*Z;/,
    );
    expect((await replicate(peer, 'v1', OURS, change(4))).status).toBe(201);
  });

  test('is told to webhooks and to the audit log', async () => {
    const peer = peerAt();
    await replicate(peer, 'v1', OURS, change(-10));
    // What is so already is nothing to tell, whenever it came to be.
    await replicate(peer, 'v1', OURS, change(-7));
    await remove(peer, 'v1', change(-5));
    const { repository } = peer;
    await vi.waitFor(() => {
      const events = told
        .filter(({ data }) => data.repository === repository)
        .map(({ data }) => [data.kind, data.origin]);
      const from = { site: 'us-east', sequence: 7 };
      expect(events).toEqual([
        ['push', from],
        ['tag', from],
        ['untag', from],
      ]);
    }, 30_000);
    const lines = (await readFile(join(stage.server.root, 'audit.log'), 'utf8')).trim().split('\n');
    const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(entries.filter((entry) => entry['repository'] === repository)).toMatchObject([
      { who: 'peer', action: 'replicate', origin: 'us-east', site: 'eu-west', outcome: 'allowed', status: 201 },
      { who: 'peer', action: 'replicate', origin: 'us-east', site: 'eu-west', outcome: 'allowed', status: 201 },
      { who: 'peer', action: 'replicate', origin: 'us-east', site: 'eu-west', outcome: 'allowed', status: 202 },
    ]);
  });

  test('means nothing to who pulls, and nothing with blobs', async () => {
    const peer = peerAt();
    const ci = asUser(peer, 'ci');
    await pushManifest(ci, 'v1', OURS);
    const headers = { 'Entrepot-Origin': 'nonsense' };
    expectContent(await send(peer, 'GET', 'manifests/v1', { headers }), digestOfManifest(OURS), INDEX);
    const bytes = seededBytes(100, 'a blob');
    const answer = await send(ci, 'POST', `blobs/uploads/?digest=${sha256(bytes)}`, { body: bytes, headers });
    expect(answer.status).toBe(201);
    expect((await send(ci, 'DELETE', `blobs/${sha256(bytes)}`, { headers })).status).toBe(202);
    expect(jsonOf(await send(ci, 'GET', 'tags/list', { headers }))['tags']).toEqual(['v1']);
  });
});
