import { digestOf, type Digest } from '../../../src/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts';
import type { ImageTarget } from '../../support/images.ts';

/** A manifest that is to be somewhere. */
export interface DraftManifest {
  readonly tag: string | undefined;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/** What a manifest is about, or what an index lists. */
export interface Described {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

const EMPTY = 'application/vnd.oci.empty.v1+json';

/** Blobs and manifests, in the order in which they were made. */
export class Draft implements ImageTarget {
  readonly blobs = new Map<Digest, Uint8Array>();
  readonly manifests: DraftManifest[] = [];

  addBlob(bytes: Uint8Array): string {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return digest;
  }

  addManifest(_: string, tag: string | undefined, content: Uint8Array | object, mediaType: string): Digest {
    const bytes = content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content));
    const digest = digestOf(bytes);
    this.manifests.push({ tag, digest, bytes, mediaType });
    return digest;
  }

  /** An artifact with one blob; with a subject it is a referrer. */
  addArtifact({
    name,
    tag,
    subject,
    artifactType = 'application/vnd.example.signature',
    annotations,
  }: {
    name: string;
    tag?: string;
    subject?: Described;
    artifactType?: string;
    annotations?: Readonly<Record<string, string>>;
  }): Described & { readonly digest: Digest; readonly layer: Digest } {
    const text = Buffer.from(`artifact ${name}`);
    const layer = this.addBlob(text) as Digest;
    const config = { mediaType: EMPTY, digest: this.addBlob(Buffer.from('{}')), size: 2 };
    const layers = [{ mediaType: 'application/octet-stream', digest: layer, size: text.length }];
    const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType, config, layers, annotations };
    const bytes = Buffer.from(JSON.stringify({ ...document, ...(subject && { subject: descriptorOf(subject) }) }));
    return { digest: this.addManifest('', tag, bytes, OCI_MANIFEST), mediaType: OCI_MANIFEST, bytes, layer };
  }

  /** An index of these, each with what is said of it. */
  addIndex(
    tag: string | undefined,
    children: readonly { readonly of: Described; readonly [field: string]: unknown }[],
  ): Described & { readonly digest: Digest } {
    const manifests = children.map(({ of, ...rest }) => ({ ...descriptorOf(of), ...rest }));
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
    return { digest: this.addManifest('', tag, bytes, OCI_INDEX), mediaType: OCI_INDEX, bytes };
  }

  /** All of its bytes, each digest once. */
  get sizeBytes(): number {
    const all = new Map([...this.blobs, ...this.manifests.map(({ digest, bytes }) => [digest, bytes] as const)]);
    return [...all.values()].reduce((sum, { length }) => sum + length, 0);
  }
}

function descriptorOf({ mediaType, digest, bytes }: Described): object {
  return { mediaType, digest, size: bytes.length };
}
