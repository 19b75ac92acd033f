import type { RegistryEvent } from '../../../src/metadata/event-index.ts';
import type { ManifestReference } from '../../../src/oci/manifest.ts';

/** Content by name: what a manifest refers to, nothing for a blob. */
export type Universe = Readonly<Record<string, { sizeBytes: number; refers: readonly Reference[] }>>;

interface Reference {
  readonly role: ManifestReference['role'];
  readonly name: string;
}

interface Link {
  usedAt: number | undefined;
  isManifest: boolean;
}

interface ModelRoot {
  usedAt: number;
  isSetAside: boolean;
}

/** What one repository of the model has, by name. */
class ModelRepository {
  readonly links = new Map<string, Link>();
  readonly tags = new Map<string, string>();
  /** When tags began to point where they do. */
  readonly moved = new Map<string, number>();
  readonly roots = new Map<string, ModelRoot>();

  tagsOf(name: string): string[] {
    return [...this.tags].flatMap(([tag, target]) => (target === name ? [tag] : [])).toSorted();
  }
}

/** What happened, by name. */
export interface ModelEvent {
  readonly kind: RegistryEvent['kind'];
  readonly repository: string;
  readonly name: string;
  readonly tag?: string;
  readonly previous?: string | undefined;
}

/** One root as the model sees it. */
export interface ModelRootRow {
  readonly repository: string;
  readonly name: string;
  readonly tags: string[];
  readonly isManifest: boolean;
  readonly usedAt: number;
  readonly sizeBytes: number;
  readonly isSetAside: boolean;
}

/**
 * The contract of roots, pushes, events, doomed content and usage (src/metadata/metadata-index.ts), in a few maps: it looks
 * at everything for every question. References must not run in a circle.
 */
export class IndexModel {
  readonly #universe: Universe;
  readonly #repositories = new Map<string, ModelRepository>();
  readonly stored = new Set<string>();
  readonly doomed = new Set<string>();
  readonly events: ModelEvent[] = [];
  /** In which order content came up: decides between roots that were used at the same moment. */
  readonly #known = new Map<string, number>();
  #count = 0;

  constructor(universe: Universe) {
    this.#universe = universe;
  }

  putManifest(repository: string, name: string, tags: readonly string[], at: number): void {
    this.#know(name);
    const { links } = this.#repository(repository);
    if (!this.isManifestOf(repository, name)) this.events.push({ kind: 'fill', repository, name });
    this.#store(name);
    this.#link(repository, name, at).isManifest = true;
    for (const reference of this.#refers(name)) {
      this.#know(reference.name);
      if (reference.role === 'config' || reference.role === 'layer') this.#link(repository, reference.name, undefined);
    }
    for (const tag of tags) this.#point(repository, tag, { name, at });
    this.#settle(repository, at);
    const link = links.get(name);
    if (!this.#repository(repository).roots.has(name) && link) link.usedAt ??= at;
  }

  putTag(repository: string, tag: string, name: string, at: number): void {
    this.#point(repository, tag, { name, at });
    this.#settle(repository, at);
  }

  /** @returns what of `required` is missing: then nothing was done */
  pushManifest(repository: string, name: string, push: { tags: readonly string[]; required: string[]; at: number }) {
    const { tags, required, at } = push;
    const children = new Set(this.#refers(name).flatMap((one) => (one.role === 'manifest' ? [one.name] : [])));
    const isThere = (each: string) =>
      this.belongs(repository, each) &&
      this.stored.has(each) &&
      (!children.has(each) || this.isManifestOf(repository, each));
    const missing = required.filter((each) => !isThere(each));
    if (missing.length > 0) return missing;
    this.events.push({ kind: 'push', repository, name, ...(tags[0] !== undefined && { tag: tags[0] }) });
    this.#know(name);
    for (const reference of this.#refers(name)) this.#know(reference.name);
    this.#store(name);
    const link = this.#link(repository, name, undefined);
    link.isManifest = true;
    const { roots } = this.#repository(repository);
    for (const tag of tags) this.#point(repository, tag, { name, at });
    this.#touch(repository, name, at);
    this.#settle(repository, at);
    if (!roots.has(name)) link.usedAt = Math.max(link.usedAt ?? 0, at);
    this.#touch(repository, name, at);
    return [];
  }

  pushBlob(repository: string, name: string, at: number): void {
    this.#know(name);
    this.#store(name);
    this.#take(repository, name, at);
  }

  mountBlob(repository: string, name: string, mount: { from: string | undefined; at: number }): boolean {
    const { from, at } = mount;
    if (!this.stored.has(name) || (from !== undefined && !this.belongs(from, name))) return false;
    this.#take(repository, name, at);
    return true;
  }

  /** @returns what went, and what of it became doomed; undefined if there was no such manifest */
  deleteManifest(
    repository: string,
    name: string,
    at: number,
  ): { tags: string[]; manifests: string[]; doomed: string[] } | undefined {
    if (!this.isManifestOf(repository, name)) return undefined;
    const { links, tags, roots } = this.#repository(repository);
    const tagNames = this.#repository(repository).tagsOf(name);
    for (const tag of tagNames) {
      tags.delete(tag);
      this.events.push({ kind: 'untag', repository, name, tag, previous: name });
    }
    const going = this.#whatGoesWith(repository, name);
    for (const each of going) this.events.push({ kind: 'delete', repository, name: each });
    for (const each of going) {
      roots.delete(each);
      if (this.#isListedAsBlob(repository, each, going))
        links.set(each, { ...links.get(each), isManifest: false } as Link);
      else links.delete(each);
    }
    const before = new Set(roots.keys());
    this.#settle(repository, at);
    for (const each of roots.keys()) if (!before.has(each)) this.#touch(repository, each, at);
    return { tags: tagNames, manifests: [...going], doomed: this.#doom([...going]) };
  }

  /** @returns what became doomed */
  deleteBlob(repository: string, name: string, at: number): { outcome: string; doomed: string[] } {
    const { links } = this.#repository(repository);
    const link = links.get(name);
    if (!link) return { outcome: 'unknown', doomed: [] };
    if (link.isManifest || this.#listers(repository, name).length > 0) return { outcome: 'listed', doomed: [] };
    this.#unlink(repository, name);
    this.#settle(repository, at);
    return { outcome: 'deleted', doomed: this.#doom([name]) };
  }

  dropTag(repository: string, tag: string): boolean {
    const { tags, roots } = this.#repository(repository);
    const name = tags.get(tag);
    if (name === undefined) return false;
    tags.delete(tag);
    this.events.push({ kind: 'untag', repository, name, tag, previous: name });
    const root = roots.get(name);
    if (root) root.isSetAside = false;
    this.#settle(repository, 0);
    return true;
  }

  putBlob(repository: string | undefined, name: string, at: number): void {
    this.#know(name);
    this.#store(name);
    if (repository !== undefined || !this.#isLinked(name)) this.#link(repository ?? '', name, at);
    this.#settle(repository ?? '', at);
  }

  linkBlob(repository: string, name: string, at: number): void {
    this.#know(name);
    this.#link(repository, name, at);
    this.#settle(repository, at);
  }

  removeBlob(name: string): void {
    this.stored.delete(name);
    this.#unlink('', name);
  }

  use(repository: string, name: string, at: number): void {
    const { links, roots } = this.#repository(repository);
    const [link, root] = [links.get(name), roots.get(name)];
    if (link) link.usedAt = Math.max(link.usedAt ?? 0, at);
    if (root) root.usedAt = Math.max(root.usedAt, at);
  }

  setAside(repository: string, name: string): void {
    const root = this.#repository(repository).roots.get(name);
    if (root) root.isSetAside = true;
  }

  clearSetAside(): void {
    for (const { roots } of this.#repositories.values()) for (const root of roots.values()) root.isSetAside = false;
  }

  /** @returns what became doomed */
  dropRoot(repository: string, name: string, at: number): string[] {
    const { links, tags, roots } = this.#repository(repository);
    if (!roots.delete(name)) return [];
    for (const [tag, target] of tags) if (target === name) tags.delete(tag);
    const going = this.#belowManifests(repository, name);
    const isOfBlob = (each: string) =>
      this.#refers(each).some((one) => one.role === 'subject' && !links.get(one.name)?.isManifest);
    const held = [...links].filter(([each, link]) => link.isManifest && !going.has(each) && isOfBlob(each));
    const staying = [...roots.keys(), ...held.map(([each]) => each)];
    const isKept = (each: string) => staying.some((one) => this.partsOf(repository, one).has(each));
    const gone = [...links.keys()].filter((each) => !isKept(each));
    for (const each of gone) links.delete(each);
    this.#settle(repository, at);
    return this.#doom(gone);
  }

  /** @returns how many names nothing needs any more */
  sweep(): number {
    const named = new Set(
      [...this.#repositories.values()].flatMap(({ links }) =>
        [...links].flatMap(([name, link]) => (link.isManifest ? this.#refers(name).map((one) => one.name) : [])),
      ),
    );
    const unneeded = [...this.#known.keys()].filter(
      (name) => !named.has(name) && !this.stored.has(name) && !this.doomed.has(name) && !this.#isLinked(name),
    );
    for (const name of unneeded) this.#known.delete(name);
    return unneeded.length;
  }

  belongs(repository: string, name: string): boolean {
    return this.#repository(repository).links.has(name);
  }

  isManifestOf(repository: string, name: string): boolean {
    return this.#repository(repository).links.get(name)?.isManifest ?? false;
  }

  tagTarget(repository: string, tag: string): string | undefined {
    return this.#repository(repository).tags.get(tag);
  }

  /** Tags with when they began to point where they do, and when a manifest below was last used. */
  tagRows(repository: string): { tag: string; name: string; movedAtMs: number; usedAtMs: number | undefined }[] {
    const { links, tags, moved } = this.#repository(repository);
    const usedAt = (name: string): number[] => {
      const link = links.get(name);
      if (!link) return [];
      const children = link.isManifest ? this.#refers(name).filter((one) => one.role === 'manifest') : [];
      return [link.usedAt ?? 0, ...children.flatMap((one) => usedAt(one.name))];
    };
    return [...tags.keys()].toSorted().map((tag) => {
      const name = tags.get(tag) ?? '';
      const usedAtMs = Math.max(...usedAt(name)) || undefined;
      return { tag, name, movedAtMs: moved.get(tag) ?? 0, usedAtMs };
    });
  }

  /** Stored manifests whose subject it is. */
  referrers(repository: string, name: string): string[] {
    return [...this.#repository(repository).links]
      .filter(([each, link]) => link.isManifest && this.stored.has(each))
      .map(([each]) => each)
      .filter((each) => this.#refers(each).some((one) => one.role === 'subject' && one.name === name));
  }

  /** Repositories that have something, in byte order. */
  repositories(): string[] {
    const named = [...this.#repositories].filter(([, { links }]) => links.size > 0);
    return named.map(([name]) => name).toSorted();
  }

  roots(repository: string): ModelRootRow[] {
    const { links, roots } = this.#repository(repository);
    return [...roots].map(([name, root]) => ({
      repository,
      name,
      tags: this.#repository(repository).tagsOf(name),
      isManifest: links.get(name)?.isManifest ?? false,
      usedAt: this.#lastUse(repository, name, root),
      sizeBytes: [...this.partsOf(repository, name)].reduce((sum, part) => sum + this.#storedBytes(part), 0),
      isSetAside: root.isSetAside,
    }));
  }

  /** Goes from the oldest on; one whose part was used later goes to its place first. */
  oldestRoots(registry: string | undefined, limit: number): ModelRootRow[] {
    const found = new Set<ModelRoot>();
    const rows: ModelRootRow[] = [];
    while (rows.length < limit) {
      const oldest = [...this.#repositories]
        .filter(([repository]) => registry === undefined || repository.split('/')[0] === registry)
        .flatMap(([repository, { roots }]) => [...roots].map(([name, root]) => ({ repository, name, root })))
        .filter(({ root }) => !root.isSetAside && !found.has(root))
        .toSorted((a, b) => a.root.usedAt - b.root.usedAt || this.#place(a.name) - this.#place(b.name))[0];
      if (!oldest) break;
      const { repository, name, root } = oldest;
      const usedAt = this.#lastUse(repository, name, root);
      if (usedAt === root.usedAt) {
        found.add(root);
        rows.push(...this.roots(repository).filter((row) => row.name === name));
      }
      root.usedAt = usedAt;
    }
    return rows;
  }

  /** It, and what is below it there. */
  partsOf(repository: string, name: string): Set<string> {
    const { links } = this.#repository(repository);
    const parts = new Set<string>();
    const add = (part: string) => {
      if (parts.has(part) || !links.has(part)) return;
      parts.add(part);
      for (const below of links.keys()) if (this.#parents(repository, below).includes(part)) add(below);
    };
    add(name);
    return parts;
  }

  diskBytes(): number {
    return [...this.stored, ...this.doomed].reduce((sum, name) => sum + this.#blocks(name), 0);
  }

  diskBytesOf(registry: string): number {
    const inRegistry = (name: string) =>
      [...this.#repositories].some(
        ([repository, { links }]) => repository.startsWith(`${registry}/`) && links.has(name),
      );
    return [...this.stored].filter(inRegistry).reduce((sum, name) => sum + this.#blocks(name), 0);
  }

  storedBytesOf(repository: string): number {
    return [...this.#repository(repository).links.keys()].reduce((sum, name) => sum + this.#storedBytes(name), 0);
  }

  /** It, and what is below it by way of manifests alone: what is below a blob has that only for a subject. */
  #belowManifests(repository: string, name: string): Set<string> {
    const { links } = this.#repository(repository);
    const below = new Set([name]);
    for (const each of below) {
      if (!links.get(each)?.isManifest) continue;
      for (const part of links.keys()) if (this.#parents(repository, part).includes(each)) below.add(part);
    }
    return below;
  }

  #lastUse(repository: string, name: string, root: ModelRoot): number {
    const { links, roots } = this.#repository(repository);
    const isLater = (other: string) => {
      const usedAt = roots.get(other)?.usedAt ?? 0;
      return usedAt > root.usedAt || (usedAt === root.usedAt && this.#place(other) > this.#place(name));
    };
    const uses = [...this.partsOf(repository, name)]
      .filter((part) => ![...roots.keys()].some((other) => isLater(other) && this.partsOf(repository, other).has(part)))
      .map((part) => links.get(part)?.usedAt ?? 0);
    return Math.max(root.usedAt, ...uses);
  }

  /** What is directly above it in the repository. */
  #parents(repository: string, name: string): string[] {
    const { links } = this.#repository(repository);
    const subjects = links.get(name)?.isManifest
      ? this.#refers(name).filter((one) => one.role === 'subject' && links.has(one.name))
      : [];
    return [...this.#listers(repository, name), ...subjects.map((one) => one.name)];
  }

  /** Manifests of the repository that list it. */
  #listers(repository: string, name: string): string[] {
    return [...this.#repository(repository).links]
      .filter(([, link]) => link.isManifest)
      .map(([above]) => above)
      .filter((above) => this.#refers(above).some((one) => one.role !== 'subject' && one.name === name));
  }

  /** The manifest, and those below what goes that have no tag, and nothing above them that stays. */
  #whatGoesWith(repository: string, top: string): Set<string> {
    const { links } = this.#repository(repository);
    const going = new Set([top]);
    for (let size = 0; size < going.size; ) {
      size = going.size;
      for (const [name, link] of links) {
        const above = this.#parents(repository, name);
        const isHeld = above.some((each) => !going.has(each) || this.#isListedAsBlob(repository, each, going));
        const isTagged = this.#repository(repository).tagsOf(name).length > 0;
        if (link.isManifest && above.some((each) => going.has(each)) && !isHeld && !isTagged) going.add(name);
      }
    }
    return going;
  }

  /** Does a manifest that stays have it as its config or a layer? */
  #isListedAsBlob(repository: string, name: string, going: ReadonlySet<string>): boolean {
    return [...this.#repository(repository).links].some(
      ([above, link]) =>
        link.isManifest &&
        !going.has(above) &&
        this.#refers(above).some((one) => (one.role === 'config' || one.role === 'layer') && one.name === name),
    );
  }

  /** A blob that a client pushed or mounted. */
  #take(repository: string, name: string, at: number): void {
    this.events.push({ kind: 'blob', repository, name });
    this.#link(repository, name, at);
    this.#settle(repository, at);
    this.#touch(repository, name, at);
  }

  #touch(repository: string, name: string, at: number): void {
    const root = this.#repository(repository).roots.get(name);
    if (root) root.usedAt = Math.max(root.usedAt, at);
  }

  /** What of it is stored and in no repository leaves the store. */
  #doom(names: readonly string[]): string[] {
    const doomed = names.filter((name) => this.stored.has(name) && !this.#isLinked(name));
    for (const name of doomed) {
      this.stored.delete(name);
      this.doomed.add(name);
    }
    return doomed;
  }

  #point(repository: string, tag: string, { name, at }: { name: string; at: number }): void {
    const { tags, moved, roots } = this.#repository(repository);
    const before = tags.get(tag);
    tags.set(tag, name);
    if (before !== name) {
      moved.set(tag, at);
      this.events.push({ kind: 'tag', repository, name, tag, previous: before });
    }
    const root = before === undefined || before === name ? undefined : roots.get(before);
    if (root) root.isSetAside = false;
  }

  /** Roots are what has a tag or nothing above it. */
  #settle(repository: string, at: number): void {
    const { links, roots } = this.#repository(repository);
    for (const [name, link] of links) {
      const isRoot =
        this.#repository(repository).tagsOf(name).length > 0 || this.#parents(repository, name).length === 0;
      const root = roots.get(name);
      if (isRoot && !root) roots.set(name, { usedAt: link.usedAt ?? at, isSetAside: false });
      if (isRoot || !root) continue;
      link.usedAt = Math.max(link.usedAt ?? 0, root.usedAt);
      roots.delete(name);
    }
  }

  #link(repository: string, name: string, usedAt: number | undefined): Link {
    const { links } = this.#repository(repository);
    const link = links.get(name) ?? { usedAt, isManifest: false };
    links.set(name, link);
    if (repository !== '') this.#unlink('', name);
    return link;
  }

  #unlink(repository: string, name: string): void {
    this.#repository(repository).links.delete(name);
    this.#repository(repository).roots.delete(name);
  }

  #isLinked(name: string): boolean {
    return [...this.#repositories.values()].some(({ links }) => links.has(name));
  }

  #store(name: string): void {
    this.stored.add(name);
    this.doomed.delete(name);
  }

  #know(name: string): void {
    if (!this.#known.has(name)) this.#known.set(name, (this.#count += 1));
  }

  #place(name: string): number {
    return this.#known.get(name) ?? 0;
  }

  #refers(name: string): readonly Reference[] {
    return this.#universe[name]?.refers ?? [];
  }

  #storedBytes(name: string): number {
    return this.stored.has(name) ? (this.#universe[name]?.sizeBytes ?? 0) : 0;
  }

  #blocks(name: string): number {
    return Math.ceil((this.#universe[name]?.sizeBytes ?? 0) / 4096) * 4096;
  }

  #repository(name: string): ModelRepository {
    const repository = this.#repositories.get(name) ?? new ModelRepository();
    this.#repositories.set(name, repository);
    return repository;
  }
}
