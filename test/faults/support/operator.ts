import { setTimeout as sleep } from 'node:timers/promises';
import type {
  ImageStatus,
  RemovalReport,
  StatusReport,
  UpstreamStatus,
} from '../../../src/registry/operations/operations.ts';

/** What has an admin listener. */
export interface AdminDoor {
  readonly adminUrl: string;
}

/** An answer of the admin API that is an error. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, { code, message }: { code: string; message: string }) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Asks the admin API by plain HTTP. @throws Refused for what it answers with an error, also at the end of long work */
export async function administer<Result>(
  { adminUrl }: AdminDoor,
  method: string,
  path: string,
  body?: object,
): Promise<Result> {
  const sent = body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
  const response = await fetch(`${adminUrl}/api/v1${path}`, { method, ...sent });
  const text = await response.text();
  if (!response.ok) {
    const { errors } = JSON.parse(text) as { errors: { code: string; message: string }[] };
    throw new Refused(response.status, errors[0] ?? { code: '', message: text });
  }
  if (text === '') return undefined as Result;
  if (response.headers.get('content-type') !== 'application/x-ndjson') return JSON.parse(text) as Result;
  const lines = text.trim().split('\n');
  const last = JSON.parse(lines.at(-1) ?? '') as { result?: Result; error?: { code: string; message: string } };
  if (last.error) throw new Refused(response.status, last.error);
  return last.result as Result;
}

export function statusOf(door: AdminDoor): Promise<StatusReport> {
  return administer(door, 'GET', '/status');
}

/** The only upstream, or the one of that name. */
export async function upstreamOf(door: AdminDoor, name = 'docker.io'): Promise<UpstreamStatus> {
  const { upstreams } = await statusOf(door);
  const found = upstreams.find((upstream) => upstream.name === name);
  if (!found) throw new Error(`status does not know the upstream ${name}`);
  return found;
}

/** The images of a repository, which is named in full. */
export async function imagesOf(door: AdminDoor, repository: string): Promise<ImageStatus[]> {
  const path = `/images?repository=${encodeURIComponent(repository)}&limit=1000`;
  return (await administer<{ images: ImageStatus[] }>(door, 'GET', path)).images;
}

/** Makes room now. */
export function evict(door: AdminDoor, toBytes: number, dryRun = false): Promise<RemovalReport> {
  return administer(door, 'POST', '/evict', { toBytes, dryRun });
}

/** Waits until nothing is being downloaded or evicted; throws after five seconds. */
export async function settle(door: AdminDoor): Promise<void> {
  const deadline = Date.now() + 5000;
  for (;;) {
    const { fills, disk } = await statusOf(door);
    if (fills.length === 0 && disk.inFlightBytes === 0 && !disk.isEvicting) return;
    if (Date.now() > deadline) throw new Error(`it does not settle: ${JSON.stringify({ fills, disk })}`);
    await sleep(5);
  }
}

/** The sum of a metric's samples that have these labels; 0 if there are none. */
export async function metric(
  { adminUrl }: AdminDoor,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const samples = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return samples
    .filter((line) => wanted.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
