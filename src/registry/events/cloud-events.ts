import type { RegistryEvent } from '../../metadata/event-index.ts';
import { eventId, type WebhookFormat } from './webhook-message.ts';

/** CloudEvents 1.0, one event a message (HTTP protocol binding 3.2, "Structured Content Mode"). */
export function cloudEvents(site: string): WebhookFormat {
  return {
    contentType: 'application/cloudevents+json',
    messagesOf: (act, wants) =>
      act.filter(wants).map((event) => ({ events: [event], encode: () => JSON.stringify(cloudEvent(event, site)) })),
  };
}

/** Undefined members are left out: CloudEvents has no null attributes. */
function cloudEvent(event: RegistryEvent, site: string): object {
  const { sequence, kind, repository, digest, tag, mediaType, sizeBytes, previous, actor, origin } = event;
  return {
    specversion: '1.0',
    id: eventId(site, event),
    source: `/entrepot/${site}`,
    type: `dev.entrepot.${kind}`,
    subject: tag === undefined ? `${repository}@${digest}` : `${repository}:${tag}`,
    time: new Date(event.atMs).toISOString(),
    datacontenttype: 'application/json',
    data: { sequence, kind, repository, digest, tag, mediaType, size: sizeBytes, previous, actor, origin },
  };
}
