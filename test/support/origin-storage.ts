import { randomBytes } from 'node:crypto';
import { blobAnswer } from './origin-blobs.ts';
import type { OriginContent } from './origin-content.ts';
import type { Answer, Exchange } from './origin-exchange.ts';
import type { OriginOptions, RedirectOptions } from './origin-options.ts';

/** The storage behind the registry: blobs under signed URLs, which take no other credentials, as S3 does. */
export class OriginStorage {
  readonly #content: OriginContent;
  readonly #options: OriginOptions;
  readonly #expiries = new Map<string, number>();

  constructor(content: OriginContent, options: OriginOptions) {
    this.#content = content;
    this.#options = options;
  }

  /** Whether a path is one of this storage's. */
  owns(path: string): boolean {
    return path.startsWith('/storage/');
  }

  /** Sends the client to the storage at `url`. */
  redirect(digest: string, url: string, options: RedirectOptions): Answer {
    const base = options.relative === true ? '' : url;
    const signature = randomBytes(12).toString('hex');
    this.#expiries.set(signature, Date.now() + (options.signed?.lifetimeMs ?? Number.POSITIVE_INFINITY));
    const query = options.signed === undefined ? '' : `?signature=${signature}`;
    return {
      status: options.status ?? 307,
      headers: { Location: `${base}/storage/${digest}${query}`, 'Content-Type': 'text/html' },
      body: '<a href="storage">Temporary Redirect</a>.\n',
    };
  }

  /** Answers a request for a file. */
  answer(exchange: Exchange, redirect: RedirectOptions): Answer {
    const { record, query } = exchange;
    if (redirect.to === 'other' && record.headers.authorization !== undefined) {
      return xmlAnswer(400, 'InvalidArgument', 'Only one auth mechanism allowed');
    }
    if (redirect.signed !== undefined) {
      const expiry = this.#expiries.get(query.get('signature') ?? '') ?? 0;
      if (record.method !== 'GET') return xmlAnswer(403, 'SignatureDoesNotMatch', 'The URL is signed for GET');
      if (expiry < Date.now()) return xmlAnswer(403, 'AccessDenied', 'Request has expired');
    }
    const digest = record.path.slice('/storage/'.length);
    const bytes = this.#content.blob(digest);
    if (bytes === undefined) return xmlAnswer(404, 'NoSuchKey', 'The specified key does not exist');
    return blobAnswer(exchange, bytes, digest, { ...this.#options, digestHeader: false });
  }
}

function xmlAnswer(status: number, code: string, message: string): Answer {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return { status, headers: { 'Content-Type': 'application/xml' }, body };
}
