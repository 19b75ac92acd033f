import type { RegistryEvent } from '../../metadata/event-index.ts';
import { eventId, type WebhookFormat } from './webhook-message.ts';

/**
 * The notifications of the distribution registry (its docs, "Work with notifications"), for receivers made for that.
 *
 * It knows no moved tags: a push by tag is one `push` whose target has the tag, and receivers such as GitLab or Harbor
 * take the tag from there and pass over what has none. So a manifest and its tags, which are events of their own in the
 * log, become one `push` for each tag, and a push by digest alone becomes one without a tag. A fill is a push by nobody.
 * The target of a deleted tag names no digest: receivers take a digest for the deletion of the manifest itself.
 */
export function distributionNotifications(site: string): WebhookFormat {
  return {
    contentType: 'application/vnd.docker.distribution.events.v2+json',
    messagesOf: (act, wants) => {
      const [first, ...rest] = act;
      if (!first || !act.some(wants)) return [];
      const encode = () => JSON.stringify({ events: toldOf(act).map((event) => notification(event, site)) });
      return [{ events: [first, ...rest], encode }];
    },
  };
}

/** The tags tell of their manifest too; it is told by itself if it came without one, or by one that stayed where it was. */
function toldOf(act: readonly RegistryEvent[]): RegistryEvent[] {
  const tags = new Set(act.flatMap(({ kind, tag }) => (kind === 'tag' && tag !== undefined ? [tag] : [])));
  return act.filter(({ kind, tag }) => kind === 'tag' || tags.size === 0 || (tag !== undefined && !tags.has(tag)));
}

function notification(event: RegistryEvent, site: string): object {
  return {
    id: eventId(site, event),
    timestamp: new Date(event.atMs).toISOString(),
    action: event.kind === 'untag' || event.kind === 'delete' ? 'delete' : 'push',
    target: targetOf(event),
    // Receivers look into it without asking whether it is there; the log does not keep what would be in it.
    request: {},
    actor: { name: event.actor },
    source: { addr: site },
  };
}

function targetOf({ kind, repository, digest, tag, mediaType, sizeBytes }: RegistryEvent): object {
  if (kind === 'untag') return { repository, tag };
  if (kind === 'delete') return { digest, repository };
  const type = mediaType ?? (kind === 'blob' ? 'application/octet-stream' : undefined);
  return { mediaType: type, digest, size: sizeBytes, length: sizeBytes, repository, tag };
}
