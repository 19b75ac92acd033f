import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Layer } from './layer.ts';

const run = promisify(execFile);
const REPOSITORY = 'local/bench';

/** POST, and PUT with all of it. */
export async function pushWhole(url: string, { file, digest }: Layer): Promise<void> {
  await send('PUT', closing(await begin(url), digest), file, 201);
}

/** POST, PATCH with all of it and no length told, as dockerd does it, and PUT. */
export async function pushChunked(url: string, { file, digest }: Layer): Promise<void> {
  const location = await send('PATCH', await begin(url), file, 202, ['-H', 'Transfer-Encoding: chunked']);
  const answer = await fetch(closing(new URL(location, url), digest), { method: 'PUT' });
  if (answer.status !== 201) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
}

async function begin(url: string): Promise<URL> {
  const answer = await fetch(`${url}/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST' });
  if (answer.status !== 202) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
  return new URL(answer.headers.get('location') ?? '', url);
}

function closing(location: URL, digest: string): URL {
  const closed = new URL(location);
  closed.searchParams.set('digest', digest);
  return closed;
}

/** @returns the answer's Location */
async function send(
  method: string,
  url: URL,
  file: string,
  expected: number,
  more: readonly string[] = [],
): Promise<string> {
  // No registry client waits for "100 Continue".
  const headers = ['-H', 'Expect:', '-H', 'Content-Type: application/octet-stream', ...more];
  const told = ['-s', '-S', '-o', '/dev/null', '-w', '%{http_code} %header{location}'];
  const { stdout } = await run('curl', [...told, ...headers, '-X', method, '-T', file, url.href]);
  const [status, location = ''] = stdout.split(' ');
  if (Number(status) !== expected) throw new Error(`${method} ${url.href} was answered ${stdout}`);
  return location;
}
