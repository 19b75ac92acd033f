import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { entrepot, folderOf, outcomeOf, startNode } from './command.ts';

const SOURCE = fileURLToPath(new URL('../../src/', import.meta.url));

/** `serve` in a process of its own, with a server made of these two bodies instead of the real one. */
function serveWith({ start = '', close = '' }: { start?: string; close?: string }, cwd = '/'): ChildProcess {
  const script = `
    import { serve } from '${SOURCE}cli/serve.ts';
    import { CodedError } from '${SOURCE}util/coded-error.ts';
    const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const startServer = async (config, options) => {
      ${start}
      const timer = setInterval(() => {}, 1000);
      console.log('up');
      return { reopenLogs: () => console.log('reopened'), async close() { console.log('closing'); ${close}; clearInterval(timer); console.log('closed'); } };
    };
    process.exit(await serve({ file: process.env.FILE, env: {}, cwd: process.cwd() }, startServer));
  `;
  const env = cwd === '/' ? {} : { FILE: 'config.yaml' };
  return startNode(['--input-type=module', '--eval', script], cwd, env);
}

/** Waits until the process has said a word. */
async function said(child: ChildProcess, word: string): Promise<void> {
  let heard = '';
  while (!heard.includes(word)) {
    if (child.stdout === null) return;
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
    heard += chunk.toString();
  }
}

describe('serve', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('drains on the first %s and ends with 0', async (signal) => {
    const child = serveWith({ close: 'await pause(50)' });
    const outcome = outcomeOf(child);
    await said(child, 'up');
    child.kill(signal);
    expect(await outcome).toEqual({ exitCode: 0, stdout: 'up\nclosing\nclosed\n', stderr: '' });
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('ends at once on a second signal, %s, with %d', async (signal, exitCode) => {
    const child = serveWith({ close: 'await pause(60_000)' });
    const outcome = outcomeOf(child);
    await said(child, 'up');
    child.kill('SIGTERM');
    await said(child, 'closing');
    child.kill(signal);
    expect(await outcome).toEqual({ exitCode, stdout: 'up\nclosing\n', stderr: '' });
  });

  test('opens its logs again on SIGHUP, and goes on', async () => {
    const child = serveWith({ start: "console.log('starting'); await pause(200);" });
    const outcome = outcomeOf(child);
    await said(child, 'starting');
    child.kill('SIGHUP');
    await said(child, 'up');
    child.kill('SIGHUP');
    await said(child, 'reopened');
    child.kill('SIGTERM');
    expect(await outcome).toMatchObject({ exitCode: 0, stdout: 'starting\nup\nreopened\nclosing\nclosed\n' });
  });

  test('stops after a start that a signal came into', async () => {
    const child = serveWith({ start: "console.log('starting'); await pause(200);" });
    const outcome = outcomeOf(child);
    await said(child, 'starting');
    child.kill('SIGTERM');
    expect(await outcome).toMatchObject({ exitCode: 0, stdout: 'starting\nup\nclosing\nclosed\n' });
  });

  test('says in one line why it cannot start, and ends with 1', async () => {
    const child = serveWith({ start: "throw new CodedError('DATA_IN_USE', 'the folder is in use\\n  by another')" });
    expect(await outcomeOf(child)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'entrepot: the folder is in use by another (DATA_IN_USE)\n',
    });
  });

  test('does not start with a wrong configuration', async () => {
    await using folder = await folderOf({ 'config.yaml': 'a: 1\nlog: {level: x}\n' });
    const { exitCode, stdout, stderr } = await entrepot(['serve'], folder.path);
    expect(exitCode).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^config\.yaml:1:1: a: .*\nconfig\.yaml:2:7: log\.level: .*\n$/);
  });

  test('hands the configuration to the server', async () => {
    await using folder = await folderOf({ 'config.yaml': 'hosted: [local]\n' });
    const start = 'console.log(config.hosted.join());';
    const child = serveWith({ start }, folder.path);
    const outcome = outcomeOf(child);
    await said(child, 'up');
    child.kill('SIGTERM');
    expect((await outcome).stdout).toBe('local\nup\nclosing\nclosed\n');
  });
});
