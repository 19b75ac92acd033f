import { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { startProgress } from '../../src/cli/output/progress.ts';
import { startAdmin, type TestAdmin } from '../support/admin.ts';
import { onTerminal } from './on-terminal.ts';

const BOLD = '\u001b[1m';

afterEach(() => vi.useRealTimers());

/** Runs a command of that mirror's on a terminal, on which this is typed when it asks. */
function atMirror(
  admin: TestAdmin,
  args: readonly string[],
  { typed = '', env = {} }: { typed?: string; env?: NodeJS.ProcessEnv } = {},
): ReturnType<typeof onTerminal> {
  return onTerminal(args, { answers: [['[y/N]', typed]], env: { ENTREPOT_ADMIN: admin.url, ...env } });
}

describe('on a terminal, purge', () => {
  const QUESTION = 'This would remove 1 image and 7 blobs, freeing 3 GiB. Go on? [y/N]';

  test.each([
    [['debian:12'], 'y\r', { image: 'debian:12' }],
    [['--upstream', 'docker.io'], 'YES\r', { upstream: 'docker.io' }],
  ])('of %j asks, and removes after "%s"', async (args, typed, target) => {
    await using admin = await startAdmin();
    const { exitCode, shown } = await atMirror(admin, ['purge', ...args], { typed });
    expect(exitCode).toBe(0);
    expect(stripVTControlCharacters(shown)).toContain(QUESTION);
    expect(shown).toContain('removed 1 image and 7 blobs, freed 3 GiB');
    expect(admin.operations.calls).toEqual([
      ['purge', target, { dryRun: true }],
      ['purge', target, { dryRun: false }],
    ]);
  });

  test.each(['n\r', '\r', 'maybe\r', '\u0004', '\u0003'])('removes nothing after %j', async (typed) => {
    await using admin = await startAdmin();
    const { exitCode, shown } = await atMirror(admin, ['purge', '--repository', 'a'], { typed });
    expect(exitCode).toBe(1);
    expect(shown).toContain('entrepot: nothing was removed');
    expect(admin.operations.calls).toEqual([['purge', { repository: 'a' }, { dryRun: true }]]);
  });

  test.each(['--yes', '--dry-run'])('does not ask with %s', async (flag) => {
    await using admin = await startAdmin();
    const { exitCode, shown } = await atMirror(admin, ['purge', '--repository', 'a', flag]);
    expect(exitCode).toBe(0);
    expect(shown).not.toContain('[y/N]');
    expect(admin.operations.calls).toEqual([['purge', { repository: 'a' }, { dryRun: flag === '--dry-run' }]]);
  });
});

describe('on a terminal', () => {
  test('headings are bold, unless NO_COLOR is set', async () => {
    await using admin = await startAdmin();
    expect((await atMirror(admin, ['pins'])).shown).toContain(`${BOLD}PATTERN`);
    expect((await atMirror(admin, ['pins'], { env: { NO_COLOR: '1' } })).shown).not.toContain(BOLD);
  });

  test.each([
    ['warm', ['a'], '1 of 1 image, 1 GiB of 1 GiB'],
    ['verify', ['--all'], '4 of 4 blobs, 1 GiB of 1 GiB'],
    ['evict', ['--to', '0'], '1 image, 3 GiB'],
    ['purge', ['--upstream', 'docker.io', '--yes'], '1 image, 3 GiB'],
    ['refresh', ['a'], '100% | a'],
    ['backup', ['/nonexistent/copy'], 'cannot be written'],
  ])('%s %j shows a bar and leaves the cursor as it was', async (command, args, text) => {
    await using admin = await startAdmin();
    const { shown } = await atMirror(admin, [command, ...args]);
    expect(shown).toMatch(new RegExp(`${command} [█░]{20} \\d+% \\| `));
    expect(shown).toContain(text);
    expect(shown.lastIndexOf('\u001b[?25h')).toBeGreaterThan(shown.lastIndexOf('\u001b[?25l'));
  });
});

test('elsewhere progress is a line now and then', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  using progress = await startProgress('warm', stream as unknown as WriteStream);
  for (let second = 0; second < 25; second += 1) {
    progress.update(second, 25, `${second} of 25`);
    vi.advanceTimersByTime(1000);
  }
  expect(lines).toEqual(['warm: 10 of 25\n', 'warm: 20 of 25\n']);
});
