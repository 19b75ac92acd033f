import { spawn } from 'node:child_process';
import { readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { entrepot, folderOf, outcomeOf, shellLine } from './command.ts';

describe('check-config', () => {
  test('says that a good file is good', async () => {
    await using folder = await folderOf({ 'config.yaml': 'site: eu-west\n' });
    expect(await entrepot(['check-config'], folder.path)).toEqual({
      exitCode: 0,
      stdout: 'config.yaml: ok\n',
      stderr: '',
    });
  });

  test('tells each mistake as compilers do', async () => {
    await using folder = await folderOf({
      'my.yaml': 'upstreams:\n  docker.io:\n    freshFor: 5 minutes\nlog: {levl: info}\n',
    });
    const { exitCode, stdout } = await entrepot(['check-config', '--config', 'my.yaml'], folder.path);
    expect(exitCode).toBe(2);
    expect(stdout).toBe(
      `my.yaml:3:5: upstreams."docker.io".freshFor: "5 minutes" is not a duration; write for example 5m, 30s, 1h30m or forever
my.yaml:4:7: log.levl: is not a known key; did you mean level?
`,
    );
  });

  test('fails where its verdict cannot be written', async () => {
    await using folder = await folderOf({ 'config.yaml': 'site: eu-west\n' });
    const child = spawn('sh', ['-c', `${shellLine(['check-config'])} > /dev/full`], { cwd: folder.path, env: {} });
    const { exitCode, stderr } = await outcomeOf(child);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('entrepot: the output cannot be written: ENOSPC');
  });

  test('gives the same as JSON', async () => {
    await using folder = await folderOf({
      'good.yaml': 'peers: {us: {url: "https://us.example"}}',
      'bad.yaml': 'a: 1',
    });
    const good = await entrepot(['check-config', '--json', '--config', 'good.yaml'], folder.path);
    expect(good.exitCode).toBe(0);
    expect(JSON.parse(good.stdout)).toEqual({
      file: 'good.yaml',
      ok: true,
      problems: [],
    });
    const bad = await entrepot(['check-config', '--json', '--config', 'bad.yaml'], folder.path);
    expect(bad.exitCode).toBe(2);
    expect(JSON.parse(bad.stdout)).toEqual({
      file: 'bad.yaml',
      ok: false,
      problems: [{ path: 'a', line: 1, column: 1, message: expect.stringContaining('is not a known key') }],
    });
  });
});

describe('the configuration is', () => {
  const files = { 'a.yaml': 'a: 1', 'b.yaml': 'b: 1', 'config.yaml': 'c: 1' };

  test('the file of --config before all else', async () => {
    await using folder = await folderOf(files);
    const { stdout } = await entrepot(['check-config', '--config', 'a.yaml'], folder.path, {
      ENTREPOT_CONFIG: 'b.yaml',
    });
    expect(stdout).toMatch(/^a\.yaml:1:1: a:/);
  });

  test('else that of ENTREPOT_CONFIG', async () => {
    await using folder = await folderOf(files);
    const { stdout } = await entrepot(['check-config'], folder.path, { ENTREPOT_CONFIG: 'b.yaml' });
    expect(stdout).toMatch(/^b\.yaml:1:1: b:/);
  });

  test('else config.yaml', async () => {
    await using folder = await folderOf(files);
    const { stdout } = await entrepot(['check-config'], folder.path, { ENTREPOT_CONFIG: '' });
    expect(stdout).toMatch(/^config\.yaml:1:1: c:/);
  });

  test('else built in', async () => {
    await using folder = await folderOf({});
    expect((await entrepot(['check-config'], folder.path)).stdout).toBe('built-in defaults: ok\n');
  });

  test('not passed over when config.yaml is a link to nothing', async () => {
    await using folder = await folderOf({});
    await symlink('nowhere', join(folder.path, 'config.yaml'));
    const { exitCode, stdout } = await entrepot(['check-config'], folder.path);
    expect(exitCode).toBe(2);
    expect(stdout).toBe('config.yaml: cannot read the configuration: there is no such file\n');
  });
});

test('--version is that of the package', async () => {
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
  expect(await entrepot(['--version'], '/')).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
});

test.each([[['nonsense']], [['check-config', '--nonsense']], [['check-config', '--config']], [['serve', 'x']], [[]]])(
  'wrong use, %j, ends with 2',
  async (args) => {
    const { exitCode, stdout, stderr } = await entrepot(args, '/');
    expect(exitCode).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).not.toBe('');
  },
);
