import type { IncomingMessage } from 'node:http';
import type { Registry } from '../registry/registry.ts';
import type { Answer } from './answer.ts';
import type { DistributionRequest } from './distribution-path.ts';
import { RequestBody } from './request-body.ts';
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
    const { digest, subject } = await manifests.put({
      repository,
      reference,
      tags,
      bytes: await body.whole(manifestLimitBytes),
      contentType: message.headers['content-type'],
      cause: { actor: visitor.principal.name },
    });
    return {
      status: CREATED,
      headers: {
        ...headers,
        Location: pathWithin(address, `manifests/${digest}`),
        'Docker-Content-Digest': digest,
        ...(subject === undefined ? {} : { 'OCI-Subject': subject }),
        ...(tags.length === 0 ? {} : { 'OCI-Tag': tags.join(', ') }),
        'Content-Length': 0,
      },
    };
  }

  /** @throws RegistryError */
  async delete(request: ManifestRequest | BlobRequest, { repository, headers, visitor }: Target): Promise<Answer> {
    const { deletion } = this.#registry.pushes;
    const cause = { actor: visitor.principal.name };
    if (request.kind === 'blob') await deletion.blob(repository, request.digest, cause);
    else if (request.reference.kind === 'tag') await deletion.tag(repository, request.reference.tag, cause);
    else await deletion.manifest(repository, request.reference.digest, cause);
    return { status: ACCEPTED, headers: { ...headers, 'Content-Length': 0 } };
  }
}
