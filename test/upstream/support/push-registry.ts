import type { IncomingMessage, ServerResponse } from 'node:http';
import { digestOf } from '../../support/bytes.ts';
import { Listener } from '../../support/listener.ts';
import { answer, type Call, refuse } from './push-answers.ts';
import { Interrupted, interrupt, type PushFault, PushFaults, type PushMatch, readBody } from './push-faults.ts';
import type { PushedRequest, PushRegistryOptions } from './push-options.ts';
import { PushTokens } from './push-tokens.ts';
import { type PushUpload, PushUploads } from './push-uploads.ts';

const RESOURCE = /^\/v2\/(.+?)\/(blobs\/uploads|blobs|manifests|tags)\/([^/]*)$/;
const NO_UPLOAD = ['BLOB_UPLOAD_UNKNOWN', 'there is no such upload'] as const;

/** A registry to push to: a real HTTP server on 127.0.0.1 that fails as it is told to and counts what it is sent. */
export class PushRegistry implements AsyncDisposable {
  readonly requests: PushedRequest[] = [];
  readonly uploads = new PushUploads();
  readonly tokens: PushTokens | undefined;
  /** By `<repository> <digest>`. */
  readonly blobs = new Map<string, Buffer>();
  /** By `<repository> <tag or digest>`. */
  readonly manifests = new Map<string, { readonly bytes: Buffer; readonly mediaType: string }>();
  readonly #options: PushRegistryOptions;
  readonly #faults = new PushFaults();
  readonly #errors: unknown[] = [];
  readonly #ports = new Set<number | undefined>();
  #registry: Listener | undefined;
  #other: Listener | undefined;

  /** Use `startPushRegistry`. */
  constructor(options: PushRegistryOptions) {
    this.#options = options;
    this.tokens = options.auth && new PushTokens(options.auth);
  }

  get url(): string {
    return this.#registry?.url ?? '';
  }

  /** `host:port` of the second server. */
  get otherHost(): string {
    return this.#other?.host ?? '';
  }

  /** Makes something go wrong, once by default. */
  fail(match: PushMatch, fault: PushFault, times = 1): void {
    this.#faults.add(match, fault, times);
  }

  /** `METHOD status` of what was asked about uploads, in order. */
  get uploadLog(): string[] {
    return this.requests
      .filter(({ url }) => url.includes('/blobs/uploads/'))
      .map(({ method, status }) => `${method} ${status}`);
  }

  /** How many connections there were. */
  get connections(): number {
    return this.#ports.size;
  }

  /** Bytes of bodies that were read. */
  get receivedBytes(): number {
    return this.requests.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
  }

  async start(): Promise<void> {
    this.#registry = await Listener.start((request, response) => void this.#serve('registry', request, response));
    this.#other = await Listener.start((request, response) => void this.#serve('other', request, response));
  }

  async stop(): Promise<void> {
    await Promise.all([this.#registry?.stop(), this.#other?.stop()]);
  }

  async restart(): Promise<void> {
    await Promise.all([this.#registry?.restart(), this.#other?.restart()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    if (this.#errors.length > 0) throw new AggregateError(this.#errors, 'the registry failed by itself');
  }

  async #serve(server: PushedRequest['server'], request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const record: PushedRequest = { method, url, headers, server, bodyBytes: 0, status: 0 };
    this.requests.push(record);
    this.#ports.add(request.socket.remotePort);
    response.once('close', () => {
      if (response.headersSent) record.status = response.statusCode;
    });
    request.on('error', () => undefined);
    try {
      await this.#route(record, request, response);
    } catch (error) {
      if (error instanceof Interrupted) return;
      // A client that broke off in the middle of a body.
      if (!request.destroyed) this.#errors.push(error);
      response.destroy();
    }
  }

  async #route(record: PushedRequest, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams: query } = new URL(record.url, 'http://registry');
    const fault = this.#faults.take(record.method, record.url);
    if (fault && 'afterBytes' in fault && fault.afterBytes === 0) interrupt(fault, request, response);
    if (pathname === '/token') return this.#token(record, query, response);
    const [, repository, kind, last = ''] = RESOURCE.exec(pathname) ?? [];
    if (record.server === 'registry' && !this.#admits(record, repository, response)) return;
    const call = { record, request, response, fault, repository: repository ?? '', query };
    if (pathname === '/v2/') return answer(call, 200, {}, '{}');
    if (kind === 'blobs/uploads') return last === '' ? this.#begin(call) : this.#upload(call, last);
    if (kind === 'blobs') return this.#blob(call, last);
    if (kind === 'manifests') return this.#manifest(call, last);
    return this.#tags(call);
  }

  #token({ headers }: PushedRequest, query: URLSearchParams, response: ServerResponse): void {
    const token = this.tokens?.issue(query, headers.authorization);
    response.writeHead(token ? 200 : 401, { 'content-type': 'application/json' }).end(JSON.stringify(token ?? {}));
  }

  #admits({ headers, method }: PushedRequest, repository: string | undefined, response: ServerResponse): boolean {
    const action = { GET: 'pull', HEAD: 'pull', DELETE: 'delete' }[method] ?? 'push';
    const wanted = { realm: `http://${headers.host}/token`, repository, action };
    const challenge = this.tokens?.challenge(headers.authorization, wanted);
    if (challenge === undefined) return true;
    response.writeHead(401, { 'www-authenticate': challenge }).end();
    return false;
  }

  #begin(call: Call): Promise<void> {
    const { query, record, repository } = call;
    const digest = query.get('mount');
    const from = query.get('from');
    if (digest !== null && this.#options.mount !== undefined && this.#options.mount !== 202) {
      return refuse(call, this.#options.mount, 'UNSUPPORTED', 'no mounts here');
    }
    const bytes = this.blobs.get(`${from} ${digest}`);
    const mayPull = this.tokens?.mayPull(record.headers.authorization, from ?? '') ?? true;
    if (digest !== null && bytes && mayPull && this.#options.mount !== 202) {
      this.blobs.set(`${repository} ${digest}`, bytes);
      return answer(call, 201, { location: `/v2/${repository}/blobs/${digest}` });
    }
    return this.#answerUpload(call, 202, this.uploads.begin(repository));
  }

  async #upload(call: Call, id: string): Promise<void> {
    const { record, repository } = call;
    const upload = this.uploads.find(repository, id);
    if (!upload) return refuse(call, 404, ...NO_UPLOAD);
    const isFresh = this.#options.hasState !== true || /[?&]_state=([^&]*)/.exec(record.url)?.[1] === stateOf(upload);
    if (record.method === 'GET') return this.#answerUpload(call, 204, upload);
    if (record.method === 'DELETE') {
      this.uploads.end(upload);
      return answer(call, 204, {});
    }
    if (!isFresh) return refuse(call, 416, 'RANGE_INVALID', 'the upload stands elsewhere');
    const range = record.headers['content-range'];
    if (range !== undefined && record.method === 'PUT' && this.#options.refusesRestByPut) {
      return refuse(call, 400, 'UNSUPPORTED', 'no ranges with PUT');
    }
    if (range !== undefined && Number(range.split('-')[0]) !== upload.sizeBytes) {
      return this.#answerUpload(call, 416, upload);
    }
    await this.#read(call, (bytes) => this.uploads.append(upload, bytes));
    if (record.method === 'PATCH') return this.#answerUpload(call, 202, upload);
    return this.#finish(call, upload);
  }

  #finish(call: Call, upload: PushUpload): Promise<void> {
    const digest = call.query.get('digest') ?? '';
    const bytes = Buffer.concat(upload.chunks);
    this.uploads.end(upload);
    const algorithm = digest.startsWith('sha512') ? 'sha512' : 'sha256';
    if (digestOf(bytes, algorithm) !== digest) return refuse(call, 400, 'DIGEST_INVALID', 'other bytes came');
    this.blobs.set(`${upload.repository} ${digest}`, bytes);
    return answer(call, 201, {
      location: `/v2/${upload.repository}/blobs/${digest}`,
      'docker-content-digest': digest,
    });
  }

  #blob(call: Call, digest: string): Promise<void> {
    const bytes = this.blobs.get(`${call.repository} ${digest}`);
    if (!bytes) return refuse(call, 404, 'BLOB_UNKNOWN', 'there is no such blob');
    return answer(call, 200, { 'content-length': String(bytes.length) }, bytes);
  }

  async #manifest(call: Call, reference: string): Promise<void> {
    const { record, repository } = call;
    const key = `${repository} ${reference}`;
    if (record.method === 'PUT') {
      const chunks: Buffer[] = [];
      await this.#read(call, (bytes) => chunks.push(bytes));
      const bytes = Buffer.concat(chunks);
      const digest = digestOf(bytes);
      const manifest = { bytes, mediaType: record.headers['content-type'] ?? '' };
      for (const each of [key, `${repository} ${digest}`]) this.manifests.set(each, manifest);
      const { subject } = JSON.parse(bytes.toString()) as { subject?: { digest: string } };
      const told = this.#options.tellsSubject && subject ? { 'oci-subject': subject.digest } : {};
      return answer(call, 201, { 'docker-content-digest': digest, ...told });
    }
    const manifest = this.manifests.get(key);
    if (!manifest) return refuse(call, 404, 'MANIFEST_UNKNOWN', 'there is no such manifest');
    if (record.method === 'DELETE') {
      this.manifests.delete(key);
      return answer(call, 202, {});
    }
    const headers = { 'content-type': manifest.mediaType, 'docker-content-digest': digestOf(manifest.bytes) };
    return answer(call, 200, { ...headers, 'content-length': String(manifest.bytes.length) }, manifest.bytes);
  }

  #tags(call: Call): Promise<void> {
    const names = [...this.manifests.keys()].map((key) => key.split(' '));
    const tags = names.flatMap(([name, tag = '']) => (name === call.repository && !tag.includes(':') ? [tag] : []));
    if (tags.length === 0) return refuse(call, 404, 'NAME_UNKNOWN', 'there is no such repository');
    return answer(call, 200, { 'content-type': 'application/json' }, JSON.stringify({ name: call.repository, tags }));
  }

  #read({ record, request, response, fault }: Call, onChunk: (bytes: Buffer) => void): Promise<void> {
    const counting = (bytes: Buffer) => {
      record.bodyBytes += bytes.length;
      onChunk(bytes);
    };
    return readBody(request, { fault, response, onChunk: counting });
  }

  #answerUpload(call: Call, status: number, upload: PushUpload): Promise<void> {
    const { location = 'absolute', hasState, range = plainRange, uploadHeaders } = this.#options;
    const own = `http://${call.record.headers.host}`;
    const origin = { absolute: own, relative: '', other: `http://${this.otherHost}` }[location];
    const state = hasState ? `?_state=${stateOf(upload)}` : '';
    return answer(call, status, {
      location: `${origin}/v2/${upload.repository}/blobs/uploads/${upload.id}${state}`,
      range: range(upload.sizeBytes),
      ...uploadHeaders,
    });
  }
}

/** Starts a registry: `await using registry = await startPushRegistry()`. */
export async function startPushRegistry(options: PushRegistryOptions = {}): Promise<PushRegistry> {
  const registry = new PushRegistry(options);
  await registry.start();
  return registry;
}

function plainRange(sizeBytes: number): string {
  return `0-${Math.max(0, sizeBytes - 1)}`;
}

/** Holds characters that mean something in a query: it has to come back as it was written. */
function stateOf({ id, sizeBytes }: PushUpload): string {
  return `${id.slice(0, 8)}%2B${sizeBytes}+%3D%3D`;
}
