import { isTag, parseReference, type Reference } from './reference.ts';

/** An image as people write it: `alpine`, `docker.io/library/debian:12`, `ghcr.io/owner/app@sha256:...`. */
export interface ImageName {
  /** With a registry in front or without. */
  readonly path: string;
  readonly reference: Reference;
}

/** Without a tag or a digest it is the tag `latest`; of a tag and a digest the digest counts. Undefined for junk. */
export function parseImageName(text: string): ImageName | undefined {
  const at = text.indexOf('@');
  const name = at === -1 ? text : text.slice(0, at);
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  const path = colon === -1 ? name : name.slice(0, colon);
  if (colon !== -1 && !isTag(name.slice(colon + 1))) return undefined;
  const written = at !== -1 ? text.slice(at + 1) : colon === -1 ? 'latest' : name.slice(colon + 1);
  const reference = parseReference(written);
  return path === '' || !reference || (at !== -1 && reference.kind !== 'digest') ? undefined : { path, reference };
}
