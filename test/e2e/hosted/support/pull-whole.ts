import { expect } from 'vitest';
import { digestOf, type DigestAlgorithm } from '../../../support/bytes.ts';
import { IMAGE_MEDIA_TYPES } from '../../../support/images.ts';
import { type Client, send } from '../../../conformance/support/send.ts';

/** docker-registry has no OCI manifests for those who do not say that they know them. */
const ACCEPT = ['*/*', ...Object.values(IMAGE_MEDIA_TYPES).flatMap(({ manifest, index }) => [manifest, index])].join();

/** What of a manifest names something else. */
interface Names {
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly digest: string }[];
  readonly manifests?: readonly { readonly digest: string }[];
}

/** Gets a manifest and all that belongs to it; each byte must be right. @returns the digests, in order */
export async function pullWhole(client: Client, reference: string): Promise<string[]> {
  const { bytes, digest } = await get(client, `manifests/${reference}`);
  if (reference.includes(':')) expect(digest).toBe(reference);
  const { config, layers = [], manifests = [] } = JSON.parse(bytes.toString()) as Names;
  const digests = new Set([digest]);
  for (const child of manifests) for (const part of await pullWhole(client, child.digest)) digests.add(part);
  for (const blob of [...(config ? [config] : []), ...layers]) {
    expect((await get(client, `blobs/${blob.digest}`)).digest).toBe(blob.digest);
    digests.add(blob.digest);
  }
  return [...digests].toSorted();
}

async function get(client: Client, path: string): Promise<{ bytes: Buffer; digest: string }> {
  const { status, body, whole, headers } = await send(client, 'GET', path, { headers: { Accept: ACCEPT } });
  expect({ status, whole }, `${client.repository} ${path}`).toEqual({ status: 200, whole: true });
  const told = String(headers['docker-content-digest']);
  const [algorithm = ''] = told.split(':');
  const digest = digestOf(body, algorithm as DigestAlgorithm);
  expect(digest).toBe(told);
  return { bytes: body, digest };
}
