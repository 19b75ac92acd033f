import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps, type RequestOptions } from 'node:https';
import { checkServerIdentity, getCACertificates } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { CodedError } from '../../util/coded-error.ts';

/** How the two sides of a TLS connection know each other. All in PEM. */
export interface TlsTrust {
  /** The mirror's own certificate, if it is known: trusted whoever signed it and whatever names it has. */
  readonly server?: string;
  /** Certificate and key to show where the mirror demands one. */
  readonly client?: string;
}

export interface HttpRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** So long the other side may say nothing; undefined: for ever. */
  readonly silenceMs?: number | undefined;
}

const CONNECT_MS = 10_000;
/** The code of the error when the other side says nothing any more. */
export const SILENT = 'SILENT';

/**
 * Sends a request and waits for the head of its answer, however long that takes. Node's own client, because fetch trusts
 * no certificate of our choosing, refuses ports that browsers do, and gives up after five minutes.
 * @throws Node's errors, the signal's among them
 */
export async function sendRequest(url: URL, request: HttpRequest, trust: TlsTrust = {}): Promise<IncomingMessage> {
  const { method, headers, body, signal, silenceMs } = request;
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  const options = { method, headers: { ...headers, ...length }, ...(signal && { signal }) };
  const sending =
    url.protocol === 'https:' ? requestHttps(url, { ...options, ...tlsOptions(trust) }) : requestHttp(url, options);
  // What breaks after the answer has begun is told by the answer.
  sending.on('error', () => undefined);
  limitConnecting(sending, url.protocol === 'https:' ? 'secureConnect' : 'connect');
  sending.end(body);
  let answer: IncomingMessage | undefined;
  if (silenceMs !== undefined) {
    sending.setTimeout(silenceMs, () => (answer ?? sending).destroy(new CodedError(SILENT, 'it has fallen silent')));
  }
  [answer] = (await once(sending, 'response')) as [IncomingMessage];
  return answer;
}

function tlsOptions({ server, client }: TlsTrust): RequestOptions {
  const shown = client === undefined ? {} : { cert: client, key: client };
  if (server === undefined) return shown;
  const { fingerprint256 } = new X509Certificate(server);
  return {
    ...shown,
    ca: [...getCACertificates(), server],
    allowPartialTrustChain: true,
    checkServerIdentity: (host, peer) =>
      peer.fingerprint256 === fingerprint256 ? undefined : checkServerIdentity(host, peer),
  };
}

/** @param done what the socket says when the other side has answered */
function limitConnecting(sending: ClientRequest, done: 'connect' | 'secureConnect'): void {
  sending.once('socket', (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(() => sending.destroy(new CodedError('ETIMEDOUT', 'nobody answers')), CONNECT_MS);
    const stop = () => clearTimeout(timer);
    socket.once(done, stop).once('close', stop);
  });
}
