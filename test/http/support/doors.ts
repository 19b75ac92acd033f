import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { MirrorDoor } from '../../../src/http/mirror-door.ts';
import { RegistryDoor } from '../../../src/http/registry-door.ts';
import { auditRequest } from '../../../src/http/audit-request.ts';
import type { Answer } from '../../../src/http/answer.ts';
import { chooseActions } from '../../../src/http/choose-actions.ts';
import type { Door, Visitor } from '../../../src/http/door.ts';
import {
  type DistributionRequest,
  parseDistributionPath,
  type PathAddress,
} from '../../../src/http/distribution-path.ts';
import { answerForError, errorAnswer } from '../../../src/http/error-answer.ts';
import { isReplicated } from '../../../src/http/replication-origin.ts';
import { createTokenListener, isTokenUrl } from '../../../src/http/token-endpoint.ts';
import type { AuditEntry } from '../../../src/telemetry/audit-log.ts';
import { openAccess, type TestAccess } from '../../access/support/open-access.ts';
import { Listener } from '../../support/listener.ts';

/** Both doors on real ports, with end-points behind them that only say whether one may. */
export interface TestDoors extends AsyncDisposable {
  readonly opened: TestAccess;
  readonly mirrorUrl: string;
  readonly registryUrl: string;
  /** What the audit log got. */
  readonly audited: readonly AuditEntry[];
}

export interface DoorsOptions {
  /** Undefined: there is no password file. */
  readonly users?: readonly string[] | undefined;
  readonly publicUrl?: URL;
}

/** `ci` writes to hosted repositories, `peer` to others and to `local/replicas/`, `alice` may read what is secret; everyone reads the rest. */
export async function openDoors(options: DoorsOptions = {}): Promise<TestDoors> {
  await using stack = new AsyncDisposableStack();
  const users = 'users' in options ? options.users : ['alice', 'ci', 'peer'];
  const opened = stack.use(
    await openAccess({
      users,
      policy: [
        { who: ['ci'], may: ['pull', 'push', 'delete'], mayNot: [], in: ['local/**'] },
        { who: ['peer'], may: ['replicate'], mayNot: [], in: ['docker.io/**', 'local/replicas/**'] },
        { who: ['alice'], may: ['pull'], mayNot: [], in: ['local/secret/**'] },
        { who: ['anonymous'], may: [], mayNot: ['pull'], in: ['local/secret/**'] },
        { who: ['anonymous'], may: ['pull'], mayNot: [], in: ['**'] },
      ],
    }),
  );
  const { access, telemetry } = opened;
  const audited: AuditEntry[] = [];
  const audit = { record: (entry: AuditEntry) => void audited.push(entry) };
  const challenges = { publicUrl: options.publicUrl, resolve };
  const tokens = createTokenListener({ ...challenges, access, telemetry, audit });
  const registry = behind(new RegistryDoor(access, challenges), audit);
  const registryDoor = stack.use(
    await Listener.start((message, response) =>
      isTokenUrl(message.url ?? '') ? tokens(message, response) : registry(message, response),
    ),
  );
  const mirrorDoor = stack.use(await Listener.start(behind(new MirrorDoor(access), audit)));
  const resources = stack.move();
  return {
    opened,
    mirrorUrl: mirrorDoor.url,
    registryUrl: registryDoor.url,
    audited,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** `local/` is hosted, `ghcr.io` and `docker.io` are mirrored, and everything else is at `docker.io`. */
function resolve({ path, namespace }: PathAddress): { name: string; isHosted: boolean } | undefined {
  if (!/^[a-z0-9./:_-]+$/.test(path)) return undefined;
  if (namespace !== undefined) {
    return ['ghcr.io', 'docker.io'].includes(namespace) ? { name: `${namespace}/${path}`, isHosted: false } : undefined;
  }
  if (path.startsWith('local/')) return { name: path, isHosted: true };
  if (/^(?:ghcr|docker)\.io\//.test(path)) return { name: path, isHosted: false };
  return { name: `docker.io/${path.includes('/') ? '' : 'library/'}${path}`, isHosted: false };
}

/** What a login with the password `secret` looks like. */
export function basic(name: string, password = 'secret'): { Authorization: string } {
  return { Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` };
}

export function bearer(token: string): { Authorization: string } {
  return { Authorization: `Bearer ${token}` };
}

/** Takes a token, as clients do. */
export async function tokenFor(
  { registryUrl }: TestDoors,
  scopes: readonly string[],
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const query = new URLSearchParams({ service: 'here' });
  for (const scope of scopes) query.append('scope', scope);
  const response = await fetch(`${registryUrl}/token?${query.toString()}`, { headers });
  if (response.status !== 200) throw new Error(`the token end-point said ${response.status}`);
  return ((await response.json()) as { token: string }).token;
}

/** The status, and the challenge that stands with it. */
export async function ask(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
): Promise<{ status: number; challenge: string | null; code: string | undefined; retryAfter: string | null }> {
  const response = await fetch(url, { method, headers });
  const text = await response.text();
  const body = text === '' ? undefined : (JSON.parse(text) as { errors?: { code: string }[] });
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate'),
    code: body?.errors?.[0]?.code,
    retryAfter: response.headers.get('retry-after'),
  };
}

function behind(door: Door, audit: Parameters<typeof auditRequest>[0]): RequestListener {
  let count = 0;
  return (message, response) => {
    count += 1;
    void serve(door, audit, message, response, `request-${count}`);
  };
}

async function serve(
  door: Door,
  audit: Parameters<typeof auditRequest>[0],
  message: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Promise<void> {
  const request = parseDistributionPath(message.url ?? '/');
  let visitor: Visitor | undefined;
  let answer: Answer;
  let error: unknown;
  try {
    visitor = await door.admit(message, request);
    answer = answerTo(message, request, visitor);
  } catch (thrown) {
    error = thrown;
    answer = answerForError(thrown) ?? errorAnswer(500, 'UNKNOWN', String(thrown));
  }
  auditRequest(audit, { requestId, message, visitor, reference: undefined, answer, error });
  response.writeHead(answer.status, answer.headers);
  response.end(message.method === 'HEAD' ? undefined : answer.body);
}

function answerTo(message: IncomingMessage, request: DistributionRequest, visitor: Visitor): Answer {
  const { method } = message;
  const headers = { 'Content-Type': 'application/json' };
  if (request.kind === 'catalog') {
    const names = ['docker.io/library/nginx', 'local/app', 'local/secret/app'];
    const repositories = names.filter((name) => visitor.may('pull', name));
    return { status: 200, headers, body: Buffer.from(JSON.stringify({ repositories })) };
  }
  const repository = 'address' in request ? resolve(request.address) : undefined;
  const isRead = method === 'GET' || method === 'HEAD';
  if (repository) {
    const { name, isHosted } = repository;
    const { kind } = request as Extract<DistributionRequest, { address: unknown }>;
    const { isAnonymous } = visitor.principal;
    const actions = chooseActions({ kind, method, isHosted, isReplicated: isReplicated(message), isAnonymous });
    visitor.require(actions ?? 'replicate', name);
  }
  const status = isRead ? 200 : method === 'PUT' ? 201 : 202;
  return { status, headers, body: Buffer.from(JSON.stringify({ who: visitor.principal.name })) };
}
