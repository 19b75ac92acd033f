import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TWO_SITES = join(ROOT, 'deploy/two-sites');
const SITES = ['eu-west', 'us-east'];

describe('the example of two sites', () => {
  test.each(SITES)('has a configuration for %s that names the other one', async (site) => {
    const config = await loadConfig({ file: `${site}.yaml`, env: { PEER_PASSWORD: 'x' }, cwd: TWO_SITES });
    const other = SITES.find((name) => name !== site);
    expect(config.site).toBe(site);
    expect(config.peers.map(({ name, url }) => [name, url.href])).toEqual([[other, `http://${other}:5002/`]]);
    expect(config.upstreams.map(({ siblings }) => siblings)).toEqual([[other], [other]]);
    expect(new Set(config.replication.flatMap(({ to }) => to))).toEqual(new Set([other]));
  });

  test('mounts files that are there, and has a password for each user', async () => {
    const { services } = parse(await readFile(join(TWO_SITES, 'compose.yaml'), 'utf8')) as {
      services: Record<string, { volumes: string[]; build: { context: string; dockerfile: string } }>;
    };
    expect(Object.keys(services)).toEqual(SITES);
    for (const { volumes, build } of Object.values(services)) {
      const files = volumes.flatMap((volume) => (volume.startsWith('./') ? (volume.split(':')[0] ?? '') : []));
      for (const file of files) expect((await stat(join(TWO_SITES, file))).isFile()).toBe(true);
      expect((await stat(join(TWO_SITES, build.context, build.dockerfile))).isFile()).toBe(true);
    }
    const users = (await readFile(join(TWO_SITES, 'htpasswd'), 'utf8')).trim().split('\n');
    expect(users.map((line) => line.split(':')[0])).toEqual([...SITES, 'ci']);
  });
});

test('the alerting rules are about metrics that there are', async () => {
  const { groups } = parse(await readFile(join(ROOT, 'deploy/alerts.yaml'), 'utf8')) as {
    groups: { rules: { alert: string; expr: string }[] }[];
  };
  const folder = join(ROOT, 'src/telemetry');
  const sources = await Promise.all((await readdir(folder)).map((file) => readFile(join(folder, file), 'utf8')));
  const metrics = new Set(sources.join('').match(/entrepot_\w+/g));
  for (const { alert, expr } of groups.flatMap(({ rules }) => rules)) {
    const named = expr.match(/entrepot_\w+/g) ?? [];
    expect([alert, named.length > 0, named.filter((name) => !metrics.has(name))]).toEqual([alert, true, []]);
  }
});
