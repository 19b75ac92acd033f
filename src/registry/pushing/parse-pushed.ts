import { digestOf, matchesDigest, type Digest } from '../../oci/digest.ts';
import { ManifestInvalidError, parseManifest, type ParsedManifest } from '../../oci/manifest.ts';
import { isSchema1Type, mediaTypeOf } from '../../oci/media-types.ts';
import type { Reference } from '../../oci/reference.ts';
import { RegistryError } from '../registry-error.ts';

/** A manifest as a client sends it. */
interface SentManifest {
  readonly reference: Reference;
  readonly bytes: Uint8Array;
  readonly contentType: string | undefined;
}

/**
 * Reads a manifest that is pushed. Stricter than with upstreams: who pushes can be told what is wrong.
 * @throws RegistryError DIGEST_INVALID, MANIFEST_INVALID
 */
export function parsePushed(sent: SentManifest): { readonly digest: Digest; readonly manifest: ParsedManifest } {
  return { digest: requireDigest(sent), manifest: requireManifest(sent) };
}

function requireDigest({ reference, bytes }: SentManifest): Digest {
  if (reference.kind === 'tag') return digestOf(bytes);
  if (matchesDigest(bytes, reference.digest)) return reference.digest;
  throw new RegistryError('DIGEST_INVALID', `the manifest that was pushed is not ${reference.digest}`);
}

function requireManifest({ bytes, contentType }: SentManifest): ParsedManifest {
  const sentAs = mediaTypeOf(contentType);
  let manifest: ParsedManifest;
  try {
    manifest = parseManifest(bytes, contentType);
  } catch (cause) {
    if (!(cause instanceof ManifestInvalidError)) throw cause;
    throw new RegistryError('MANIFEST_INVALID', cause.message, { cause });
  }
  if (sentAs !== '' && sentAs !== manifest.mediaType) {
    const message = `the manifest is a ${manifest.mediaType} but was sent with Content-Type: ${sentAs}`;
    throw new RegistryError('MANIFEST_INVALID', message);
  }
  if (isSchema1Type(manifest.mediaType)) {
    throw new RegistryError('MANIFEST_INVALID', 'manifests of schema 1 are not taken: their digest is of other bytes');
  }
  return manifest;
}
