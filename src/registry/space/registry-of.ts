/** The registry, or the hosted namespace, that leads a repository's name in full; empty for content of no repository. */
export function registryOf(repository: string): string {
  return repository.slice(0, Math.max(0, repository.indexOf('/')));
}
