import type { Digest } from '../../oci/digest.ts';
import type { RegistryEvent } from '../event-index.ts';

/** A row of `event`. */
export interface EventColumns {
  readonly sequence: number;
  readonly at: number;
  readonly kind: RegistryEvent['kind'];
  readonly repository: string;
  readonly digest: Digest;
  readonly tag: string | null;
  readonly media_type: string | null;
  readonly size_bytes: number | null;
  readonly previous: Digest | null;
  readonly actor: string | null;
  readonly origin_site: string | null;
  readonly origin_sequence: number | null;
}

/** A row as the port has it. */
export function registryEvent(row: EventColumns): RegistryEvent {
  const { sequence, at, kind, repository, digest, origin_site: site, origin_sequence: number } = row;
  return {
    sequence,
    atMs: at,
    kind,
    repository,
    digest,
    tag: row.tag ?? undefined,
    mediaType: row.media_type ?? undefined,
    sizeBytes: row.size_bytes ?? undefined,
    previous: row.previous ?? undefined,
    actor: row.actor ?? undefined,
    origin: site === null || number === null ? undefined : { site, sequence: number },
  };
}

/** What the port has as a row. */
export function eventColumns(event: RegistryEvent): EventColumns {
  const { sequence, atMs, kind, repository, digest, origin } = event;
  return {
    sequence,
    at: atMs,
    kind,
    repository,
    digest,
    tag: event.tag ?? null,
    media_type: event.mediaType ?? null,
    size_bytes: event.sizeBytes ?? null,
    previous: event.previous ?? null,
    actor: event.actor ?? null,
    origin_site: origin?.site ?? null,
    origin_sequence: origin?.sequence ?? null,
  };
}
