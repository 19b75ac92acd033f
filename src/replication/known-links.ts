import { hash } from 'node:crypto';
import type { MetadataIndex } from '../metadata/metadata-index.ts';
import type { Link } from './link.ts';

/** A link that follows events, and what it sends. */
type KnownLink = readonly [rule: string, peer: string, fingerprint: string];

const NOTE = 'replication.links';

/**
 * The links that an earlier run had, which know from events what the peer does not have yet. For one that is new, or
 * sends other things or elsewhere than before, events are not enough.
 */
export class KnownLinks {
  readonly #index: Pick<MetadataIndex, 'readNote' | 'writeNote'>;
  #known: readonly KnownLink[] = [];

  constructor(index: Pick<MetadataIndex, 'readNote' | 'writeNote'>) {
    this.#index = index;
  }

  /** @throws MetadataError */
  async load(): Promise<void> {
    this.#known = parse(await this.#index.readNote(NOTE));
  }

  has(link: Link, address: string | undefined): boolean {
    const [rule, peer, fingerprint] = entryOf(link, address);
    return this.#known.some((known) => known[0] === rule && known[1] === peer && known[2] === fingerprint);
  }

  /** From now on it is these. Those that are gone are new when they come back. @throws MetadataError */
  async save(links: readonly { readonly link: Link; readonly address: string | undefined }[]): Promise<void> {
    const entries = links.map(({ link, address }) => entryOf(link, address));
    const note = entries.length === 0 ? undefined : JSON.stringify(entries);
    if (note !== JSON.stringify(this.#known) || this.#known.length === 0) await this.#index.writeNote(NOTE, note);
    this.#known = entries;
  }
}

function entryOf({ name, rule }: Link, address: string | undefined): KnownLink {
  const { repositories, tags, platforms, artifactTypes, as } = rule;
  const what = JSON.stringify([repositories, tags, platforms, artifactTypes, as, address]);
  return [name.rule, name.peer, hash('sha256', what).slice(0, 16)];
}

function parse(note: string | undefined): readonly KnownLink[] {
  if (note === undefined) return [];
  try {
    const found: unknown = JSON.parse(note);
    return Array.isArray(found) ? found.filter((entry): entry is KnownLink => Array.isArray(entry)) : [];
  } catch {
    // With nothing known all is looked through once more.
    return [];
  }
}
