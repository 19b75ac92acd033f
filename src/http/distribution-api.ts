import type { IncomingMessage } from 'node:http';
import type { Repository } from '../oci/repository.ts';
import type { Registry } from '../registry/registry.ts';
import { SITE_HEADER } from '../util/replication-header.ts';
import { AccessRefusal } from './access-refusal.ts';
import type { Answer } from './answer.ts';
import { chooseActions } from './choose-actions.ts';
import type { DistributionRequest, PathAddress } from './distribution-path.ts';
import type { Visitor } from './door.ts';
import { errorAnswer } from './error-answer.ts';
import { jsonAnswer } from './json-answer.ts';
import { nextLink } from './list-page.ts';
import { ManageApi } from './manage-api.ts';
import { ReadApi } from './read-api.ts';
import { isReplicated } from './replication-origin.ts';
import type { Target } from './target.ts';
import { UploadApi } from './upload-api.ts';

type RequestOf<Kind> = Extract<DistributionRequest, { kind: Kind }>;
type ContentRequest = RequestOf<'manifest' | 'blob' | 'tags' | 'referrers' | 'upload'>;

/** Sent with every answer: old Docker clients look for it, and no client may guess types. */
export const COMMON_HEADERS = {
  'Docker-Distribution-API-Version': 'registry/2.0',
  'X-Content-Type-Options': 'nosniff',
} as const;

const READ_METHODS: readonly string[] = ['GET', 'HEAD'];
/** `_catalog` without `n`: what Docker's registry gives. */
const CATALOG_LIMIT = 100;

/** The `/v2/` API over a registry (distribution-spec, "Endpoints"): what to answer to a request. */
export class DistributionApi {
  readonly #registry: Registry;
  readonly #site: string;
  readonly #read: ReadApi;
  readonly #manage: ManageApi;
  readonly #uploads: UploadApi;

  /** @param site its name, which other sites are told */
  constructor(registry: Registry, site: string) {
    this.#registry = registry;
    this.#site = site;
    this.#read = new ReadApi(registry, site);
    this.#manage = new ManageApi(registry);
    this.#uploads = new UploadApi(registry);
  }

  /** @throws RegistryError, AccessRefusal */
  async answer(request: DistributionRequest, message: IncomingMessage, visitor: Visitor): Promise<Answer> {
    if (request.kind === 'problem') return errorAnswer(request.status, request.code, request.message);
    const methods = methodsOf(request);
    if (!methods.includes(message.method ?? '')) {
      return errorAnswer(405, 'UNSUPPORTED', `${message.method} is not possible here`, { Allow: methods.join(', ') });
    }
    if (request.kind === 'ping') return jsonAnswer({}, { [SITE_HEADER]: this.#site });
    if (request.kind === 'catalog') return this.#catalog(request, visitor);
    const repository = this.#registry.upstreams.resolve(request.address);
    if (!repository) return errorAnswer(400, 'NAME_INVALID', `"${request.address.path}" is not a repository name`);
    this.#requireAllowed(request, message, repository, visitor);
    this.#registry.upstreams.check(repository);
    return this.#answerIn(repository, request, message, visitor);
  }

  /** The repository that an address means, as far as it means one; for logs. */
  repositoryOf(address: PathAddress): Repository | undefined {
    return this.#registry.upstreams.resolve(address);
  }

  #requireAllowed({ kind }: ContentRequest, message: IncomingMessage, repository: Repository, visitor: Visitor): void {
    const { name, isAnonymous } = visitor.principal;
    const actions = chooseActions({
      kind,
      method: message.method,
      isHosted: this.#registry.upstreams.isHosted(repository),
      isReplicated: isReplicated(message),
      isAnonymous,
    });
    if (actions) return visitor.require(actions, repository.name);
    throw new AccessRefusal('DENIED', `without a login nobody may replicate to "${repository.name}"`, {
      refused: { who: name, action: 'replicate', repository: repository.name },
    });
  }

  #answerIn(
    repository: Repository,
    request: ContentRequest,
    message: IncomingMessage,
    visitor: Visitor,
  ): Promise<Answer> {
    const { address } = request;
    // distribution-spec, "Registry Proxying": a proxy that used `ns` says so.
    const headers: Answer['headers'] = address.namespace === undefined ? {} : { 'OCI-Namespace': address.namespace };
    const target: Target = { repository, address, visitor, headers };
    if (request.kind === 'upload') return this.#uploads.answer(request, target, message);
    if (READ_METHODS.includes(message.method ?? '')) return this.#read.answer(request, target, message);
    if (request.kind === 'blob') return this.#manage.deleteBlob(request, target);
    const manifest = request as RequestOf<'manifest'>;
    return message.method === 'PUT'
      ? this.#manage.putManifest(manifest, target, message)
      : this.#manage.deleteManifest(manifest, target, message);
  }

  /** Docker's catalog of what is here and the visitor may pull: names in full, or within the namespace that is asked about. */
  async #catalog({ page, namespace }: RequestOf<'catalog'>, visitor: Visitor): Promise<Answer> {
    const limit = page.limit ?? CATALOG_LIMIT;
    const registry = namespace === undefined ? undefined : this.#registry.upstreams.canonicalName(namespace);
    const prefix = registry === undefined ? '' : `${registry}/`;
    const names = await this.#registry.listings.repositories(
      { prefix, after: page.after === undefined ? '' : `${prefix}${page.after}`, limit: limit + 1 },
      (name) => visitor.may('pull', name),
    );
    const repositories = names.slice(0, limit).map((name) => name.slice(prefix.length));
    const last = repositories.at(-1);
    const others: Record<string, string> = namespace === undefined ? {} : { ns: namespace };
    const link =
      names.length > limit && last !== undefined
        ? nextLink('/v2/_catalog', { ...others, n: String(limit), last })
        : undefined;
    return jsonAnswer({ repositories }, link === undefined ? {} : { Link: link });
  }
}

function methodsOf(request: Exclude<DistributionRequest, { kind: 'problem' }>): readonly string[] {
  switch (request.kind) {
    case 'manifest':
      return [...READ_METHODS, 'PUT', 'DELETE'];
    case 'blob':
      return [...READ_METHODS, 'DELETE'];
    case 'upload':
      return request.id === undefined ? ['POST'] : [...READ_METHODS, 'PATCH', 'PUT', 'DELETE'];
    case 'ping':
    case 'catalog':
    case 'tags':
    case 'referrers':
      return READ_METHODS;
  }
}
