import type { OriginContent, StoredManifest } from './origin-content.ts';
import { type Answer, type Exchange, errorAnswer, jsonAnswer } from './origin-exchange.ts';
import type { OriginOptions } from './origin-options.ts';

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';

/** GET or HEAD of a manifest (distribution spec, end-3). */
export function manifestAnswer(
  exchange: Exchange,
  content: OriginContent,
  options: OriginOptions,
  { repository, reference }: { repository: string; reference: string },
): Answer {
  const { method, headers: asked } = exchange.record;
  const manifest = content.manifest(repository, reference);
  if (method === 'HEAD' && options.headManifests === false) return errorAnswer(405, 'UNSUPPORTED');
  const extra = options.manifestHeaders?.() ?? {};
  if (manifest === undefined || !isAccepted(manifest, asked.accept, options)) {
    return errorAnswer(404, 'MANIFEST_UNKNOWN', extra);
  }
  const headers: Record<string, string> = { 'Content-Type': manifest.mediaType, ...extra };
  if (options.digestHeader !== false) headers['Docker-Content-Digest'] = manifest.digest;
  if (options.etag !== false) headers['ETag'] = `"${manifest.digest}"`;
  if (options.etag !== false && asked['if-none-match'] === headers['ETag']) return { status: 304, headers };
  return { status: 200, headers, body: manifest.bytes };
}

/** GET tags/list (distribution spec, end-8a and end-8b). */
export function tagsAnswer(
  exchange: Exchange,
  content: OriginContent,
  options: OriginOptions,
  { repository, url }: { repository: string; url: string },
): Answer {
  const { query } = exchange;
  const all = content.tags(repository);
  if (all === undefined) return errorAnswer(404, 'NAME_UNKNOWN');
  const last = query.get('last');
  const following = last === null ? all : all.filter((tag) => tag > last);
  const asked = query.has('n') ? Number(query.get('n')) : Number.POSITIVE_INFINITY;
  const size = Math.min(asked, options.tags?.pageLimit ?? Number.POSITIVE_INFINITY);
  const page = following.slice(0, size);
  const end = page.at(-1);
  if (end === undefined || page.length === following.length) return jsonAnswer({ name: repository, tags: page });
  const base = options.tags?.link === 'absolute' ? url : '';
  const next = `${base}/v2/${repository}/tags/list?n=${size}&last=${encodeURIComponent(end)}`;
  return jsonAnswer({ name: repository, tags: page }, { Link: `<${next}>; rel="next"` });
}

/** GET referrers (distribution spec, end-12a and end-12b). */
export function referrersAnswer(
  exchange: Exchange,
  content: OriginContent,
  { repository, digest }: { repository: string; digest: string },
): Answer {
  const wanted = exchange.query.get('artifactType');
  const referrers = content.manifests(repository).flatMap((manifest) => describeReferrer(manifest, digest));
  const manifests = wanted === null ? referrers : referrers.filter((each) => each.artifactType === wanted);
  const headers: Record<string, string> = { 'Content-Type': OCI_INDEX };
  if (wanted !== null) headers['OCI-Filters-Applied'] = 'artifactType';
  return jsonAnswer({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }, headers);
}

interface ManifestWithSubject {
  subject?: { digest: string };
  artifactType?: string;
  config?: { mediaType: string };
  annotations?: Record<string, string>;
}

function describeReferrer({ bytes, digest, mediaType }: StoredManifest, subject: string) {
  const manifest = JSON.parse(Buffer.from(bytes).toString()) as ManifestWithSubject;
  if (manifest.subject?.digest !== subject) return [];
  const artifactType = manifest.artifactType ?? manifest.config?.mediaType;
  return [{ mediaType, digest, size: bytes.length, artifactType, annotations: manifest.annotations }];
}

function isAccepted(manifest: StoredManifest, accept: string | undefined, options: OriginOptions): boolean {
  if (options.requireAccept === false) return true;
  const types = new Set((accept ?? '').split(',').map((each) => each.split(';')[0]?.trim()));
  return types.has(manifest.mediaType) || types.has('*/*');
}
