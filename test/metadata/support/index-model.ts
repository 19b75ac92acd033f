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
  readonly roots = new Map<string, ModelRoot>();

  tagsOf(name: string): string[] {
    return [...this.tags].flatMap(([tag, target]) => (target === name ? [tag] : [])).toSorted();
  }
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
 * The contract of roots, doomed content and usage (src/metadata/metadata-index.ts), in a few maps: it looks at everything
 * for every question. References must not run in a circle.
 */
export class IndexModel {
  readonly #universe: Universe;
  readonly #repositories = new Map<string, ModelRepository>();
  readonly stored = new Set<string>();
  readonly doomed = new Set<string>();
  /** In which order content came up: decides between roots that were used at the same moment. */
  readonly #known = new Map<string, number>();
  #count = 0;

  constructor(universe: Universe) {
    this.#universe = universe;
  }

  putManifest(repository: string, name: string, tags: readonly string[], at: number): void {
    this.#know(name);
    const { links } = this.#repository(repository);
    this.#store(name);
    this.#link(repository, name, at).isManifest = true;
    for (const reference of this.#refers(name)) {
      this.#know(reference.name);
      if (reference.role === 'config' || reference.role === 'layer') this.#link(repository, reference.name, undefined);
    }
    for (const tag of tags) this.#point(repository, tag, name);
    const link = links.get(name);
    if (!this.#repository(repository).roots.has(name) && link) link.usedAt ??= at;
    this.#settle(repository, at);
  }

  putTag(repository: string, tag: string, name: string, at: number): void {
    this.#point(repository, tag, name);
    this.#settle(repository, at);
  }

  dropTag(repository: string, tag: string): boolean {
    const { tags, roots } = this.#repository(repository);
    const name = tags.get(tag);
    if (name === undefined) return false;
    tags.delete(tag);
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
  dropRoot(repository: string, name: string): string[] {
    const { links, tags, roots } = this.#repository(repository);
    if (!roots.delete(name)) return [];
    for (const [tag, target] of tags) if (target === name) tags.delete(tag);
    const isKept = (each: string) => [...roots.keys()].some((root) => this.partsOf(repository, root).has(each));
    const gone = [...links.keys()].filter((each) => !isKept(each));
    for (const each of gone) links.delete(each);
    const doomed = gone.filter((each) => this.stored.has(each) && !this.#isLinked(each));
    for (const each of doomed) {
      this.stored.delete(each);
      this.doomed.add(each);
    }
    return doomed;
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
    const listing = [...links].filter(
      ([above, link]) =>
        link.isManifest && this.#refers(above).some((one) => one.role !== 'subject' && one.name === name),
    );
    const subjects = links.get(name)?.isManifest
      ? this.#refers(name).filter((one) => one.role === 'subject' && links.has(one.name))
      : [];
    return [...listing.map(([above]) => above), ...subjects.map((one) => one.name)];
  }

  #point(repository: string, tag: string, name: string): void {
    const { tags, roots } = this.#repository(repository);
    const before = tags.get(tag);
    tags.set(tag, name);
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
