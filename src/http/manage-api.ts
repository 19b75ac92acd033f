import type { IncomingMessage } from 'node:http';
import type { ManifestPush } from '../registry/pushing/manifest-pushes.ts';
import type { Registry } from '../registry/registry.ts';
import type { Answer } from './answer.ts';
import type { DistributionRequest } from './distribution-path.ts';
import type { Visitor } from './door.ts';
import { errorAnswer } from './error-answer.ts';
import { RequestBody } from './request-body.ts';
import { keptHeaders, originOf, type OriginVerdict } from './replication-origin.ts';
import { pathWithin, type Target } from './target.ts';

type ManifestRequest = Extract<DistributionRequest, { kind: 'manifest' }>;
type BlobRequest = Extract<DistributionRequest, { kind: 'blob' }>;

const CREATED = 201;
const ACCEPTED = 202;

/** Pushing manifests, and deleting (distribution-spec, "Pushing Manifests", "Content Management"). */
export class ManageApi {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** @throws RegistryError */
  async putManifest(request: ManifestRequest, target: Target, message: IncomingMessage): Promise<Answer> {
    const { manifests, manifestLimitBytes } = this.#registry.pushes;
    const { repository, address, headers, visitor } = target;
    const { reference, tags } = request;
    using body = new RequestBody(message);
    const change = originOf(message, Date.now());
    if (change?.problem !== undefined) return errorAnswer(400, 'UNSUPPORTED', change.problem);
    const { digest, subject, kept } = await manifests.put({
      repository,
      reference,
      tags,
      bytes: await body.whole(manifestLimitBytes),
      contentType: message.headers['content-type'],
      cause: causeOf(visitor, change),
    });
    const stayed = new Set(kept.map(({ tag }) => tag));
    const others = tags.filter((tag) => !stayed.has(tag));
    const first = reference.kind === 'tag' ? reference.tag : tags[0];
    return {
      status: CREATED,
      headers: {
        ...headers,
        Location: pathWithin(address, `manifests/${digest}`),
        'Docker-Content-Digest': digest,
        ...(subject === undefined ? {} : { 'OCI-Subject': subject }),
        ...(others.length === 0 ? {} : { 'OCI-Tag': others.join(', ') }),
        ...keptHeaders(kept.find(({ tag }) => tag === first)),
        'Content-Length': 0,
      },
    };
  }

  /** @throws RegistryError */
  async deleteBlob({ digest }: BlobRequest, { repository, headers, visitor }: Target): Promise<Answer> {
    await this.#registry.pushes.deletion.blob(repository, digest, causeOf(visitor, undefined));
    return { status: ACCEPTED, headers: { ...headers, 'Content-Length': 0 } };
  }

  /** @throws RegistryError */
  async deleteManifest(
    { reference }: ManifestRequest,
    { repository, headers, visitor }: Target,
    message: IncomingMessage,
  ): Promise<Answer> {
    const change = originOf(message, Date.now());
    if (change?.problem !== undefined) return errorAnswer(400, 'UNSUPPORTED', change.problem);
    const { deletion } = this.#registry.pushes;
    const cause = causeOf(visitor, change);
    const kept =
      reference.kind === 'tag'
        ? await deletion.tag(repository, reference.tag, cause)
        : await deletion.manifest(repository, reference.digest, cause);
    return { status: ACCEPTED, headers: { ...headers, ...keptHeaders(kept), 'Content-Length': 0 } };
  }
}

function causeOf({ principal }: Visitor, change: OriginVerdict | undefined): ManifestPush['cause'] {
  return { actor: principal.name, ...(change?.origin && { origin: change.origin }) };
}
