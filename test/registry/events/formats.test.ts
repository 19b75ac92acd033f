import { describe, expect, test } from 'vitest';
import type { RegistryEvent } from '../../../src/metadata/event-index.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { cloudEvents } from '../../../src/registry/events/cloud-events.ts';
import { distributionNotifications } from '../../../src/registry/events/distribution-notifications.ts';
import type { WebhookFormat } from '../../../src/registry/events/webhook-message.ts';
import { someEvent } from './support/stage.ts';

const push = someEvent({ sequence: 7 });
const tagged = someEvent({ sequence: 8, kind: 'tag', tag: 'v1' });
const taggedToo = someEvent({ sequence: 9, kind: 'tag', tag: 'v2' });
const { digest } = push;

function bodies(
  format: WebhookFormat,
  act: readonly RegistryEvent[],
  kinds: readonly string[] = ['push', 'fill', 'tag', 'untag', 'delete', 'blob'],
): Record<string, unknown>[] {
  const messages = format.messagesOf(act, ({ kind }) => kinds.includes(kind));
  return messages.map(({ encode }) => JSON.parse(encode()) as Record<string, unknown>);
}

describe('a CloudEvent', () => {
  const format = cloudEvents('eu-west');

  test('has the attributes of the specification and all that the log knows', () => {
    const previous = digestOf(Buffer.from('before'));
    const event = someEvent({
      sequence: 12,
      kind: 'tag',
      tag: 'v1',
      previous,
      origin: { site: 'us-east', sequence: 3 },
    });
    expect(format.contentType).toBe('application/cloudevents+json');
    expect(bodies(format, [event])).toEqual([
      {
        specversion: '1.0',
        id: 'eu-west/12',
        source: '/entrepot/eu-west',
        type: 'dev.entrepot.tag',
        subject: 'local/app:v1',
        time: '2026-01-02T03:04:05.000Z',
        datacontenttype: 'application/json',
        data: {
          sequence: 12,
          kind: 'tag',
          repository: 'local/app',
          digest,
          tag: 'v1',
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          size: 400,
          previous,
          actor: 'alice',
          origin: { site: 'us-east', sequence: 3 },
        },
      },
    ]);
  });

  test('without a tag is about a digest, and has no member for what is not known', () => {
    const [body] = bodies(format, [someEvent({ kind: 'blob', mediaType: undefined, actor: undefined })]);
    expect(body).toMatchObject({ type: 'dev.entrepot.blob', subject: `local/app@${digest}` });
    expect(body?.data).toEqual({ sequence: 7, kind: 'blob', repository: 'local/app', digest, size: 400 });
  });

  test('is a message of its own, and there is none for what is not wanted', () => {
    expect(bodies(format, [push, tagged, taggedToo], ['push', 'tag']).map(({ id }) => id)).toEqual([
      'eu-west/7',
      'eu-west/8',
      'eu-west/9',
    ]);
    expect(bodies(format, [push, tagged], ['tag']).map(({ id }) => id)).toEqual(['eu-west/8']);
  });
});

describe('a notification in the format of distribution', () => {
  const format = distributionNotifications('eu-west');
  const target = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest,
    size: 400,
    length: 400,
    repository: 'local/app',
  };
  const told = (act: readonly RegistryEvent[], kinds?: readonly string[]) =>
    bodies(format, act, kinds).flatMap(({ events }) => events as { id: string; action: string; target: object }[]);

  test('is an envelope of events with the members that receivers look for', () => {
    expect(format.contentType).toBe('application/vnd.docker.distribution.events.v2+json');
    expect(bodies(format, [push])).toEqual([
      {
        events: [
          {
            id: 'eu-west/7',
            timestamp: '2026-01-02T03:04:05.000Z',
            action: 'push',
            target,
            request: {},
            actor: { name: 'alice' },
            source: { addr: 'eu-west' },
          },
        ],
      },
    ]);
  });

  test('of a push by tag is one event with the tag', () => {
    expect(told([push, tagged])).toMatchObject([{ id: 'eu-west/8', action: 'push', target: { ...target, tag: 'v1' } }]);
  });

  test('of a push by two tags is one envelope with an event for each', () => {
    expect(bodies(format, [push, tagged, taggedToo])).toHaveLength(1);
    expect(told([push, tagged, taggedToo]).map((event) => event.target)).toEqual([
      { ...target, tag: 'v1' },
      { ...target, tag: 'v2' },
    ]);
  });

  test('of a push by a tag that pointed there already has the tag too', () => {
    const again = someEvent({ tag: 'v0' });
    expect(told([again])).toMatchObject([{ id: 'eu-west/7', target: { ...target, tag: 'v0' } }]);
    expect(told([again, tagged]).map((event) => event.target)).toEqual([
      { ...target, tag: 'v0' },
      { ...target, tag: 'v1' },
    ]);
    expect(told([someEvent({ tag: 'v1' }), tagged])).toHaveLength(1);
  });

  test('comes when any of the act is wanted, and settles all of it', () => {
    expect(told([push, tagged], ['push'])).toMatchObject([{ target: { tag: 'v1' } }]);
    expect(told([push, tagged], ['tag'])).toMatchObject([{ target: { tag: 'v1' } }]);
    expect(told([push, tagged], ['delete'])).toEqual([]);
    expect(format.messagesOf([push, tagged], ({ kind }) => kind === 'tag')[0]?.events).toEqual([push, tagged]);
  });

  test('of what came from an upstream is a push by nobody', () => {
    const filled = someEvent({ kind: 'fill', actor: undefined });
    expect(bodies(format, [filled])).toMatchObject([{ events: [{ action: 'push', target, actor: {} }] }]);
  });

  test('of a deleted tag names no digest, of a deleted manifest no tag', () => {
    expect(told([someEvent({ kind: 'untag', tag: 'v1' })])).toMatchObject([
      { action: 'delete', target: { repository: 'local/app', tag: 'v1' } },
    ]);
    expect(told([someEvent({ kind: 'untag', tag: 'v1' })])[0]?.target).not.toHaveProperty('digest');
    expect(told([someEvent({ kind: 'delete' })])[0]).toMatchObject({ action: 'delete' });
    expect(told([someEvent({ kind: 'delete' })])[0]?.target).toEqual({ repository: 'local/app', digest });
  });

  test('of a blob has the media type of bytes', () => {
    expect(told([someEvent({ kind: 'blob', mediaType: undefined })])).toMatchObject([
      { action: 'push', target: { ...target, mediaType: 'application/octet-stream' } },
    ]);
  });
});
