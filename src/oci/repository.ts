/** A repository in full: which registry it belongs to, and its name there. */
export interface Repository {
  /** The upstream's configured name, such as `docker.io`. */
  readonly registry: string;
  /** The name at that registry, such as `library/nginx`. */
  readonly path: string;
  /** Registry and path, such as `docker.io/library/nginx`: the name in the index, in logs and in events. */
  readonly name: string;
}

const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const MAX_NAME_LENGTH = 255;
const DOCKER_HUB_NAMES = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

/** Is this a repository name of the distribution-spec ("Pulling manifests", `<name>`)? */
export function isRepositoryPath(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH && PATH.test(text);
}

export function makeRepository(registry: string, path: string): Repository {
  return { registry, path, name: `${registry}/${path}` };
}

/** A registry's name as it stands inside: host names ignore case, and Docker Hub's three names are `docker.io`. */
export function canonicalRegistry(name: string): string {
  // ASCII only: other scripts have letters that become Latin ones.
  const lower = name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
  return DOCKER_HUB_NAMES.has(lower) ? 'docker.io' : lower;
}

/** Docker Hub's official images live under `library/`. */
export function canonicalPath(registry: string, path: string): string {
  return registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
}
