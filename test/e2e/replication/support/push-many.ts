import pLimit from 'p-limit';
import { pushBlob, pushManifest } from '../../../conformance/support/push.ts';
import type { Client } from '../../../conformance/support/send.ts';
import { seededBytes, sha256 } from '../../../support/bytes.ts';
import { IMAGE_MEDIA_TYPES } from '../../../support/images.ts';

/** Images that have layers in common. */
export interface ManyImages {
  /** Tags are `t0`, `t1` ... */
  readonly count: number;
  /** A layer that each has for itself. */
  readonly ownBytes: number;
  /** Layers that are there for all of them. */
  readonly shared?: { readonly count: number; readonly sizeBytes: number; readonly perImage: number };
  /** Makes the bytes others. */
  readonly seed?: string;
}

/** What was pushed. */
export interface PushedImages {
  /** Digests of manifests, by tag. */
  readonly digests: ReadonlyMap<string, string>;
  /** Of blobs and manifests, each once. */
  readonly uniqueBytes: number;
}

const AT_ONCE = 8;

/** Pushes many images to one repository. */
export async function pushMany(client: Client, images: ManyImages): Promise<PushedImages> {
  const { shared, seed = '' } = images;
  const limit = pLimit(AT_ONCE);
  const bytesOf = new Map<string, number>();
  const push = async (bytes: Buffer, mediaType: string) => {
    const digest = sha256(bytes);
    if (!bytesOf.has(digest)) await pushBlob(client, bytes);
    bytesOf.set(digest, bytes.length);
    return { mediaType, digest, size: bytes.length };
  };
  const { manifest, config, layer } = IMAGE_MEDIA_TYPES.oci;
  const common = await limit.map(Array.from({ length: shared?.count ?? 0 }), (_, n) =>
    push(seededBytes(shared?.sizeBytes ?? 0, `${seed} shared ${n}`), layer),
  );
  const pushed = await limit.map(Array.from({ length: images.count }), async (_, n) => {
    const mine = Array.from({ length: shared?.perImage ?? 0 }).flatMap(
      (_layer, position) => common[(n * 7 + position * 3) % common.length] ?? [],
    );
    const own = await push(seededBytes(images.ownBytes, `${seed} own ${n}`), layer);
    const settings = {
      architecture: 'amd64',
      os: 'linux',
      config: { Labels: { seed, n } },
      rootfs: { type: 'layers' },
    };
    const described = await push(Buffer.from(JSON.stringify(settings)), config);
    const content = { schemaVersion: 2, mediaType: manifest, config: described, layers: [...mine, own] };
    const { digest, size } = await pushManifest(client, `t${n}`, content);
    bytesOf.set(digest, size);
    return [`t${n}`, digest] as const;
  });
  return { digests: new Map(pushed), uniqueBytes: [...bytesOf.values()].reduce((sum, bytes) => sum + bytes, 0) };
}
