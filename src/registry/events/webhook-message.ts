import type { RegistryEvent } from '../../metadata/event-index.ts';

/** What is sent to a receiver at once. */
export interface WebhookMessage {
  /** All that it settles; of one repository. The first one happened first. */
  readonly events: readonly [RegistryEvent, ...RegistryEvent[]];
  /** Makes the body: the same each time. */
  readonly encode: () => string;
}

/** How events are told. */
export interface WebhookFormat {
  readonly contentType: string;
  /** What is to be sent of one act, in order. @param wants whether the receiver asked for such an event */
  messagesOf(act: readonly RegistryEvent[], wants: (event: RegistryEvent) => boolean): WebhookMessage[];
}

/** Of the same event the same one each time, whatever its format: by it a receiver knows what it was told before. */
export function eventId(site: string, { sequence }: RegistryEvent): string {
  return `${site}/${sequence}`;
}
