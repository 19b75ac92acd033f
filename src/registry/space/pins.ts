import type { NoteIndex, Root, RootIndex } from '../../metadata/metadata-index.ts';
import { compileImageGlob } from '../../oci/glob.ts';

/** A pattern of images that stay, and who said so. */
export interface Pin {
  readonly pattern: string;
  readonly origin: 'config' | 'operator';
  /** When an operator said so, in ms since the epoch. */
  readonly atMs: number | undefined;
}

type MatchesImage = ReturnType<typeof compileImageGlob>;

/** Which images are exempt from eviction: those of the configuration, and those that operators named. */
export class Pins {
  readonly #index: NoteIndex & Pick<RootIndex, 'clearSetAside'>;
  readonly #configured: readonly string[];
  #matchers: readonly MatchesImage[] = [];
  #repositories: readonly string[] | undefined;
  #revision = 0;

  constructor(index: NoteIndex & Pick<RootIndex, 'clearSetAside'>, configured: readonly string[]) {
    this.#index = index;
    this.#configured = configured;
    this.#use(configured);
  }

  /** Reads what operators pinned in earlier runs. To be called before anything is evicted. */
  async load(): Promise<void> {
    const pins = await this.list();
    this.#use(pins.map(({ pattern }) => pattern));
    this.#revision += 1;
    // The configuration may be another one than when these roots were set aside.
    await this.#index.clearSetAside();
  }

  has(root: Pick<Root, 'repository' | 'tags' | 'digest'>): boolean {
    return this.#matchers.some((matches) => matches(root.repository, root));
  }

  /** The repositories of all pins; undefined if one of them is a pattern of repositories. */
  get repositories(): readonly string[] | undefined {
    return this.#repositories;
  }

  /** Changes with the pins. */
  get revision(): number {
    return this.#revision;
  }

  get isEmpty(): boolean {
    return this.#matchers.length === 0;
  }

  async list(): Promise<Pin[]> {
    const operators = await this.#index.listPins();
    return [
      ...this.#configured.map((pattern) => ({ pattern, origin: 'config' as const, atMs: undefined })),
      ...operators.map(({ pattern, atMs }) => ({ pattern, origin: 'operator' as const, atMs })),
    ];
  }

  async add(pattern: string): Promise<void> {
    await this.#index.putPin(pattern, Date.now());
    await this.load();
  }

  /** False if no operator pinned that. */
  async remove(pattern: string): Promise<boolean> {
    const isKnown = await this.#index.removePin(pattern);
    await this.load();
    return isKnown;
  }

  #use(patterns: readonly string[]): void {
    this.#matchers = patterns.map(compileImageGlob);
    const names = patterns.map(repositoryPart);
    this.#repositories = names.some((name) => name.includes('*')) ? undefined : [...new Set(names)];
  }
}

function repositoryPart(pattern: string): string {
  const name = pattern.split('@')[0] ?? '';
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  return colon === -1 ? name : name.slice(0, colon);
}
