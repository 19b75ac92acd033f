import { IMAGE_MEDIA_TYPES } from '../test/support/images.ts';
import { seededBytes, sha256 } from '../test/support/bytes.ts';

/** The repository that is pulled, as it is called at the origin and at a mirror of it. */
export const REPOSITORY = 'library/bench';

/** What the origin is given. */
export interface BenchImage {
  readonly manifest: string;
  readonly blob: string;
  readonly blobBytes: number;
}

/** Pushes an image of one large layer to a registry that asks for no login. */
export async function pushImage(registryUrl: string, tag: string, blobBytes: number): Promise<BenchImage> {
  const layer = seededBytes(blobBytes, tag);
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }),
  );
  const blob = await pushBlob(registryUrl, layer);
  const types = IMAGE_MEDIA_TYPES.oci;
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: types.manifest,
      config: { mediaType: types.config, digest: await pushBlob(registryUrl, config), size: config.length },
      layers: [{ mediaType: types.layer, digest: blob, size: layer.length }],
    }),
  );
  const answer = await fetch(`${registryUrl}/v2/${REPOSITORY}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': types.manifest },
    body: manifest,
  });
  if (answer.status !== 201)
    throw new Error(`the origin refused the manifest: ${answer.status} ${await answer.text()}`);
  return { manifest: sha256(manifest), blob, blobBytes };
}

async function pushBlob(registryUrl: string, bytes: Buffer): Promise<string> {
  const digest = sha256(bytes);
  const session = await fetch(`${registryUrl}/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST' });
  const location = new URL(session.headers.get('location') ?? '', registryUrl);
  location.searchParams.set('digest', digest);
  const answer = await fetch(location, { method: 'PUT', body: bytes });
  if (answer.status !== 201) throw new Error(`the origin refused a blob: ${answer.status} ${await answer.text()}`);
  return digest;
}
