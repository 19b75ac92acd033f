import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** The Debian packages that bring a program; the first that the machine's Debian knows is taken. */
const PACKAGES: Record<string, readonly string[]> = {
  dockerd: ['docker.io'],
  docker: ['docker-cli', 'docker.io'],
  containerd: ['containerd'],
  ctr: ['containerd'],
  runc: ['runc'],
  podman: ['podman'],
  skopeo: ['skopeo'],
  'docker-registry': ['docker-registry'],
  busybox: ['busybox-static'],
  openssl: ['openssl'],
  umount: ['mount'],
  ip: ['iproute2'],
  tc: ['iproute2'],
  socat: ['socat'],
};

/** vitest's globalSetup: installs what the tests in this folder need and the machine lacks. */
export function setup(): void {
  if (process.getuid?.() !== 0) throw new Error('the end-to-end tests start container engines: run them as root');
  const missing = Object.keys(PACKAGES).filter((program) => !isInstalled(program));
  if (missing.length === 0) return;
  if (!isInstalled('apt-get'))
    throw new Error(`missing: ${missing.join(', ')}; only Debian's apt-get can install them`);
  apt(['update']);
  apt(['install', '-y', '--no-install-recommends', ...new Set(missing.map(packageOf))]);
  const still = missing.filter((program) => !isInstalled(program));
  if (still.length > 0) throw new Error(`still missing after apt-get install: ${still.join(', ')}`);
}

function isInstalled(program: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(':');
  return folders.some((folder) => existsSync(`${folder}/${program}`));
}

function packageOf(program: string): string {
  const candidates = PACKAGES[program] ?? [];
  const known = candidates.find((name) => spawnSync('apt-cache', ['show', name]).status === 0);
  if (known === undefined) throw new Error(`apt knows none of ${candidates.join(', ')}, which should bring ${program}`);
  return known;
}

function apt(args: readonly string[]): void {
  const { status, stderr, stdout } = spawnSync('apt-get', args, {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (status !== 0) throw new Error(`apt-get ${args.join(' ')} failed with ${status}\n${stdout}\n${stderr}`);
}
