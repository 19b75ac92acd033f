import type { IncomingMessage } from 'node:http';
import { digestAlgorithm, digestOf, type Digest } from '../oci/digest.ts';
import type { MountSource } from '../registry/pushing/mounts.ts';
import type { UploadStatus } from '../registry/pushing/uploads.ts';
import { RegistryError } from '../registry/registry-error.ts';
import type { Registry } from '../registry/registry.ts';
import { AccessRefusal } from './access-refusal.ts';
import type { Answer } from './answer.ts';
import { parseContentRange } from './content-range.ts';
import type { UploadRequest } from './distribution-path.ts';
import { answerForError, errorAnswer } from './error-answer.ts';
import { RequestBody } from './request-body.ts';
import { pathWithin, type Target } from './target.ts';

const CREATED = 201;
const ACCEPTED = 202;
const NO_CONTENT = 204;

/** Pushing blobs (distribution-spec, "Pushing blobs"). */
export class UploadApi {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** @throws RegistryError */
  async answer(request: UploadRequest, target: Target, message: IncomingMessage): Promise<Answer> {
    const { id, digest } = request;
    if (id === undefined) return this.#begin(request, target, message);
    const { uploads } = this.#registry.pushes;
    const owner = ownerOf(target);
    if (message.method === 'PATCH') {
      return this.#withBody(id, target, message, async (body) =>
        uploadAnswer(ACCEPTED, await uploads.append(id, owner, body), target),
      );
    }
    if (message.method === 'PUT') {
      if (!digest) return errorAnswer(400, 'DIGEST_INVALID', 'the end of an upload needs ?digest=');
      return this.#withBody(id, target, message, async (body) => {
        await uploads.finish(id, { owner, digest, cause: causeOf(target) }, body);
        return blobAnswer(digest, target);
      });
    }
    if (message.method !== 'DELETE') return uploadAnswer(NO_CONTENT, uploads.status(id, owner), target);
    await uploads.cancel(id, owner);
    return { status: NO_CONTENT, headers: target.headers };
  }

  async #begin({ digest, algorithm, mount }: UploadRequest, target: Target, message: IncomingMessage): Promise<Answer> {
    const { uploads, mounts } = this.#registry.pushes;
    if (mount) {
      const source = this.#mountSource(mount.from, target);
      const isMounted = source && (await mounts.mount(target.repository, mount.digest, source, causeOf(target)));
      if (isMounted) return blobAnswer(mount.digest, target);
    }
    const owner = ownerOf(target);
    using body = new RequestBody(message);
    // Clients that do not want to send the whole with this request send nothing, and go on as if there were no digest.
    if (digest && (body.sizeBytes !== 0 || digest === emptyDigest(digest))) {
      const whole = { owner, digest, cause: causeOf(target) };
      await uploads.pushWhole(whole, digestAlgorithm(digest), body);
      return blobAnswer(digest, target);
    }
    const expected = digest ?? mount?.digest;
    const status = await uploads.start(owner, algorithm ?? (expected && digestAlgorithm(expected)));
    return uploadAnswer(ACCEPTED, status, target);
  }

  /**
   * Undefined for a repository that there is not, or that the visitor may not pull from.
   * @throws AccessRefusal when all that is missing is a token that lists it
   */
  #mountSource(from: string | undefined, { visitor }: Target): MountSource | undefined {
    const isReadable = (repository: string) => visitor.isOpen(repository) || visitor.may('pull', repository);
    if (from === undefined) return { isReadable };
    const { upstreams } = this.#registry;
    try {
      const source = upstreams.resolve({ path: from, namespace: undefined });
      if (!source) return undefined;
      if (!isReadable(source.name)) visitor.require('pull', source.name);
      upstreams.check(source);
      return { from: source.name };
    } catch (error) {
      const isAsked = error instanceof AccessRefusal && error.code === 'UNAUTHORIZED' && !error.refused;
      if (!isAsked && (error instanceof RegistryError || error instanceof AccessRefusal)) return undefined;
      throw error;
    }
  }

  /** Bytes that are not those that come next are refused with where the upload stands. */
  async #withBody(
    id: string,
    target: Target,
    message: IncomingMessage,
    act: (body: RequestBody) => Promise<Answer>,
  ): Promise<Answer> {
    const range = parseContentRange(message.headers['content-range']);
    if (range === 'invalid') {
      return errorAnswer(400, 'BLOB_UPLOAD_INVALID', 'Content-Range must be a first and a last byte, such as 0-1023');
    }
    using body = new RequestBody(message, range);
    try {
      return await act(body);
    } catch (error) {
      const refusal = error instanceof RegistryError && error.code === 'RANGE_INVALID' && answerForError(error);
      if (!refusal) throw error;
      const { headers } = uploadAnswer(NO_CONTENT, this.#registry.pushes.uploads.status(id, ownerOf(target)), target);
      return { ...refusal, headers: { ...headers, ...refusal.headers } };
    }
  }
}

/** Where an upload stands and goes on. */
function uploadAnswer(status: number, { id, sizeBytes }: UploadStatus, { address, headers }: Target): Answer {
  return {
    status,
    headers: {
      ...headers,
      Location: pathWithin(address, `blobs/uploads/${id}`),
      'Docker-Upload-UUID': id,
      // Docker's registry says the same of no byte and of one, and clients know it.
      Range: `0-${Math.max(0, sizeBytes - 1)}`,
      ...(status === NO_CONTENT ? {} : { 'Content-Length': 0 }),
    },
  };
}

/** The blob is in the repository. */
function blobAnswer(digest: Digest, { address, headers }: Target): Answer {
  return {
    status: CREATED,
    headers: {
      ...headers,
      Location: pathWithin(address, `blobs/${digest}`),
      'Docker-Content-Digest': digest,
      'Content-Length': 0,
    },
  };
}

function ownerOf({ repository, visitor }: Target): { repository: string; principal: string } {
  return { repository: repository.name, principal: visitor.principal.name };
}

function causeOf({ visitor }: Target): { actor: string } {
  return { actor: visitor.principal.name };
}

/** Of nothing, by the same algorithm. */
function emptyDigest(digest: Digest): Digest {
  return digestOf(new Uint8Array(), digestAlgorithm(digest));
}
