import type { DockerRegistry } from './docker-registry.ts';
import type { ImageParts, ManifestPart } from './runnable-images.ts';

/** Where an image goes. */
interface PushTarget {
  registry: DockerRegistry;
  repository: string;
  tag: string;
}

/** Pushes images, each under its tag. */
export async function pushImages(
  target: Omit<PushTarget, 'tag'>,
  images: Readonly<Record<string, ImageParts>>,
): Promise<void> {
  for (const [tag, image] of Object.entries(images)) await pushImage({ ...target, tag }, image);
}

/** Pushes an image: blobs, then the children of an index, then what the tag names. */
async function pushImage(target: PushTarget, image: ImageParts): Promise<void> {
  for (const [digest, bytes] of image.blobs) await pushBlob(target, digest, bytes);
  for (const child of image.children) await pushManifest(target, child, child.digest);
  await pushManifest(target, image.root, target.tag);
}

async function pushBlob(target: PushTarget, digest: string, bytes: Buffer): Promise<void> {
  const base = `${target.registry.url}/v2/${target.repository}/blobs/uploads/`;
  const session = await send(target, base, { method: 'POST' }, 202);
  const location = new URL(session.headers.get('location') ?? '', base);
  location.searchParams.set('digest', digest);
  const headers = { 'Content-Type': 'application/octet-stream' };
  await send(target, location.href, { method: 'PUT', headers, body: new Uint8Array(bytes) }, 201);
}

async function pushManifest(target: PushTarget, manifest: ManifestPart, reference: string): Promise<void> {
  const url = `${target.registry.url}/v2/${target.repository}/manifests/${reference}`;
  const headers = { 'Content-Type': manifest.mediaType };
  await send(target, url, { method: 'PUT', headers, body: new Uint8Array(manifest.bytes) }, 201);
}

interface Request {
  method: string;
  headers?: Record<string, string>;
  body?: Uint8Array<ArrayBuffer>;
}

async function send(target: PushTarget, url: string, request: Request, expected: number): Promise<Response> {
  const access = { type: 'repository', name: target.repository, actions: ['pull', 'push'] };
  const headers = { ...request.headers, Authorization: `Bearer ${target.registry.sign([access])}` };
  const answer = await fetch(url, { ...request, headers });
  const body = await answer.text();
  if (answer.status !== expected) throw new Error(`${request.method} ${url} was answered ${answer.status}: ${body}`);
  return answer;
}
