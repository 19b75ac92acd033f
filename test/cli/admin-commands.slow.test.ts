import { describe, expect, test } from 'vitest';
import { OperationError } from '../../src/registry/operations/operation-error.ts';
import type { StatusReport } from '../../src/registry/operations/operations.ts';
import { startAdmin, type TestAdmin } from '../support/admin.ts';
import { DIGEST, imageOf, REMOVAL, STATUS, UPSTREAM } from '../support/fake-operations.ts';
import { entrepot, type Outcome } from './command.ts';

function run(admin: TestAdmin, ...args: readonly string[]): Promise<Outcome> {
  return entrepot(args, '/', { ENTREPOT_ADMIN: admin.url });
}

/** What a command with `--json` prints: one document, and nothing else anywhere. */
async function runJson(admin: TestAdmin, ...args: readonly string[]): Promise<unknown> {
  const { exitCode, stdout, stderr } = await run(admin, ...args, '--json');
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return JSON.parse(stdout);
}

/** The lines that a command prints when all is well. */
async function linesOf(admin: TestAdmin, ...args: readonly string[]): Promise<string[]> {
  const { exitCode, stdout, stderr } = await run(admin, ...args);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout.trimEnd().split('\n');
}

describe('status', () => {
  test('says how the mirror is', async () => {
    await using admin = await startAdmin();
    expect(await linesOf(admin, 'status')).toEqual([
      'Site        eu-west, entrepot 1.2.3, up 3 days',
      'Content     40 GiB in 4,211 blobs, 5 GiB of it pinned',
      'Other       1 GiB in flight, 12 MiB index and damaged files',
      'Quota       41.0% of 100 GiB used',
      'Disk        200 GiB of 1 TiB free, 2 GiB to stay free',
      'Manifests   98.2% hits of 1,000 requests',
      'Blobs       nothing was asked for',
      'Scrub       no round is running, the last one ended 3 days ago, one every 7 days',
      '',
      'UPSTREAM    STATE   CONTENT            RATE LIMIT',
      'docker.io   ok      12 GiB of 50 GiB   alice: 76 of 100 left',
      '',
      'DOWNLOAD              REPOSITORY                 RECEIVED            CLIENTS   SINCE',
      'sha256:abababababab   docker.io/library/debian   25 MiB of 100 MiB   3         12 seconds',
      '',
      'WEBHOOK   NOT YET TOLD   SINCE      LAST ERROR',
      'ci        3 events       1 minute   ci.example answered 503',
    ]);
  });

  const SIBLINGS = [
    { name: 'us-east', isBreakerOpen: true },
    { name: 'ap-south', isBreakerOpen: false },
  ];

  test('says what is out of the ordinary', async () => {
    const account = { username: undefined, limit: undefined, remaining: undefined, blockedForMs: 0 };
    const { quotaBytes: _, ...disk } = STATUS.disk;
    const { quotaBytes: __, ...upstream } = UPSTREAM;
    const status: StatusReport = {
      ...STATUS,
      disk: { ...disk, isEvicting: true },
      fills: STATUS.fills.map(({ sizeBytes: ___, ...fill }) => ({ ...fill, isKept: false })),
      upstreams: [
        { ...upstream, name: 'a', isOffline: true, accounts: [] },
        { ...upstream, name: 'b', isBreakerOpen: true, accounts: [account] },
        { ...upstream, name: 'c', accounts: [{ ...account, limit: 100, remaining: 0, blockedForMs: 90_000 }] },
        { ...upstream, name: 'd', accounts: [{ ...account, blockedForMs: 9 }, account] },
        { ...upstream, name: 'e', accounts: [account], siblings: SIBLINGS },
      ],
      scrub: { isRunning: true, everyMs: Infinity },
    };
    await using admin = await startAdmin({ status: () => Promise.resolve(status) });
    expect(await linesOf(admin, 'status')).toEqual(
      expect.arrayContaining([
        'Quota       none, evicting',
        'Scrub       a round is running, none has ended yet',
        'UPSTREAM   STATE                                         CONTENT   RATE LIMIT',
        'a          offline                                       12 GiB    -',
        'b          failing, held back                            12 GiB    -',
        'c          rate limit reached, left alone for 1 minute   12 GiB    anonymous: 0 of 100 left',
        'd          ok                                            12 GiB    -',
        'e          ok; siblings held back: us-east               12 GiB    -',
        'sha256:abababababab   docker.io/library/debian   25 MiB, not kept   3         12 seconds',
      ]),
    );
  });

  test('gives the same as JSON', async () => {
    await using admin = await startAdmin();
    expect(await runJson(admin, 'status')).toMatchObject(JSON.parse(JSON.stringify(STATUS)));
  });
});

describe('ls', () => {
  test('lists the first hundred repositories, and says that there are more', async () => {
    await using admin = await startAdmin();
    const { exitCode, stdout, stderr } = await run(admin, 'ls');
    expect(exitCode).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(101);
    expect(lines.slice(0, 2)).toEqual([
      'REPOSITORY                    TAGS   IMAGES   SIZE      LAST USED',
      'docker.io/library/app-00000   2      3        1.5 GiB   3 days ago',
    ]);
    expect(stderr).toBe('entrepot: these are the first 100; --all lists all\n');
    expect(admin.operations.calls).toEqual([['repositories', { limit: 100 }]]);
  });

  test('--all pages through to the end', async () => {
    const pages: (string | undefined)[] = [];
    const all = Array.from({ length: 2500 }, (_, number) => imageOf(number));
    await using admin = await startAdmin({
      images: ({ after, limit }) => {
        pages.push(after);
        return Promise.resolve(all.filter(({ digest }) => digest > (after ?? '')).slice(0, limit));
      },
    });
    expect(await linesOf(admin, 'ls', 'docker.io/library/debian', '--all')).toHaveLength(2501);
    expect(await runJson(admin, 'ls', 'docker.io/library/debian', '--all')).toEqual(all);
    expect(pages).toEqual([
      undefined,
      all[999]?.digest,
      all[1999]?.digest,
      undefined,
      all[999]?.digest,
      all[1999]?.digest,
    ]);
  });

  test('lists the images of a repository', async () => {
    await using admin = await startAdmin({
      images: () =>
        Promise.resolve([
          { ...imageOf(1), tags: ['12', 'bookworm'] },
          { ...imageOf(2), tags: [] },
        ]),
    });
    expect(await linesOf(admin, 'ls', 'docker.io/library/debian')).toEqual([
      `TAGS           SIZE     LAST USED     PINNED   DIGEST`,
      `12, bookworm   50 MiB   5 hours ago   yes      ${imageOf(1).digest}`,
      `-              50 MiB   5 hours ago   -        ${imageOf(2).digest}`,
    ]);
    expect(admin.operations.calls).toEqual([['images', { repository: 'docker.io/library/debian', limit: 100 }]]);
  });

  test('lists repositories that begin so', async () => {
    await using admin = await startAdmin({ repositories: () => Promise.resolve([]) });
    expect(await runJson(admin, 'ls', '--prefix', 'docker.io/')).toEqual([]);
    expect(admin.operations.calls).toEqual([['repositories', { prefix: 'docker.io/', limit: 100 }]]);
    expect(await run(admin, 'ls', 'a', '--prefix', 'b')).toMatchObject({ exitCode: 2, stdout: '' });
  });
});

describe('pins', () => {
  test('are listed, set and taken away', async () => {
    await using admin = await startAdmin();
    expect(await linesOf(admin, 'pins')).toEqual([
      'PATTERN                      FROM       SINCE',
      'docker.io/library/debian:*   config     -',
      'ghcr.io/owner/**             operator   1 day ago',
    ]);
    expect(await runJson(admin, 'pins')).toMatchObject([{ origin: 'config' }, { origin: 'operator' }]);
    expect(await linesOf(admin, 'pin', 'a:*', 'b')).toEqual(['pinned a:*', 'pinned b']);
    expect(await runJson(admin, 'pin', 'c')).toEqual({ pinned: ['c'] });
    expect(await linesOf(admin, 'unpin', 'a:*')).toEqual(['unpinned a:*']);
    expect(await runJson(admin, 'unpin', 'b', 'c')).toEqual({ unpinned: ['b', 'c'] });
    expect(admin.operations.calls.filter(([name]) => name !== 'pins').map((call) => call.join(' '))).toEqual([
      'pin a:*',
      'pin b',
      'pin c',
      'unpin a:*',
      'unpin b',
      'unpin c',
    ]);
  });

  test('that are not there cannot be taken away', async () => {
    await using admin = await startAdmin();
    const outcome = await run(admin, 'unpin', 'none');
    expect(outcome).toEqual({ exitCode: 1, stdout: '', stderr: 'entrepot: there is no pin "none" of an operator\n' });
  });
});

describe('purge', () => {
  const IMAGE = `docker.io/library/debian@${DIGEST} 12 bookworm`;

  test.each<[string[], object]>([
    [['debian:12'], { image: 'debian:12' }],
    [['--repository', 'docker.io/library/debian', '--yes'], { repository: 'docker.io/library/debian' }],
    [['--upstream', 'docker.io', '--yes'], { upstream: 'docker.io' }],
  ])('%j removes', async (args, target) => {
    await using admin = await startAdmin();
    expect(await linesOf(admin, 'purge', ...args)).toEqual([IMAGE, 'removed 1 image and 7 blobs, freed 3 GiB']);
    expect(admin.operations.calls).toEqual([['purge', target, { dryRun: false }]]);
  });

  test('--dry-run says what would go', async () => {
    await using admin = await startAdmin();
    const args = ['purge', '--upstream', 'docker.io', '--dry-run'];
    expect(await linesOf(admin, ...args)).toEqual([IMAGE, 'would remove 1 image and 7 blobs, freeing 3 GiB']);
    expect(await runJson(admin, ...args)).toEqual({ ...REMOVAL, isDryRun: true });
    for (const [, , options] of admin.operations.calls) expect(options).toEqual({ dryRun: true });
  });

  test('counts what it does not name', async () => {
    await using admin = await startAdmin({ purge: () => Promise.resolve({ ...REMOVAL, imageCount: 1501, pinned: 1 }) });
    expect(await linesOf(admin, 'purge', 'a')).toEqual([
      IMAGE,
      '... and 1,500 more images',
      'removed 1,501 images and 7 blobs, freed 3 GiB; 1 pinned image among them',
    ]);
  });

  test.each([[['--repository', 'a']], [['--upstream', 'a']], [[]], [['a', '--upstream', 'b']]])(
    '%j without a terminal and a word removes nothing, and ends with 2',
    async (args) => {
      await using admin = await startAdmin();
      const { exitCode, stdout, stderr } = await run(admin, 'purge', ...args);
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
      expect(stderr).toMatch(/^entrepot: (say what to remove|there is no terminal to ask at: say --yes)/);
      expect(admin.operations.calls).toEqual([]);
    },
  );
});

describe('evict', () => {
  test('goes down to a size', async () => {
    await using admin = await startAdmin();
    const lines = await linesOf(admin, 'evict', '--to', '50GiB');
    expect(lines.at(-1)).toBe('removed 1 image and 7 blobs, freed 3 GiB; 2 pinned images stayed');
    expect(await runJson(admin, 'evict', '--to', '0', '--dry-run')).toEqual({ ...REMOVAL, isDryRun: true, pinned: 2 });
    expect(admin.operations.calls).toEqual([
      ['evict', { toBytes: 50 * 1024 ** 3, dryRun: false }],
      ['evict', { toBytes: 0, dryRun: true }],
    ]);
  });

  test.each([[['--to', '50 potatoes']], [['--to', '-1']], [[]]])('%j is wrong use', async (args) => {
    await using admin = await startAdmin();
    expect(await run(admin, 'evict', ...args)).toMatchObject({ exitCode: 2, stdout: '' });
    expect(admin.operations.calls).toEqual([]);
  });
});

test('retention says what it removed, and how much more of it there was', async () => {
  await using admin = await startAdmin();
  const named = ['local/app:v1', expect.stringMatching(/^local\/app@sha256:/), 'and 1500 more'];
  const what = '2 tags and 1,500 images without a tag of 3 repositories with retention';
  expect(await linesOf(admin, 'retention')).toEqual([...named, `removed ${what}`]);
  expect(await linesOf(admin, 'retention', '--dry-run')).toEqual([...named, `would remove ${what}`]);
  expect(await runJson(admin, 'retention', '--dry-run')).toMatchObject({ isDryRun: true, tags: 2, manifests: 1500 });
});

test('gc says what it removed', async () => {
  await using admin = await startAdmin();
  const found = '5 loose blobs, 1 interrupted download, 0 leftover files, 12 rows';
  expect(await linesOf(admin, 'gc')).toEqual([`removed ${found}, freed 1.5 GiB`]);
  expect(await linesOf(admin, 'gc', '--dry-run')).toEqual([`would remove ${found}, freeing 1.5 GiB`]);
  expect(await runJson(admin, 'gc', '--dry-run')).toMatchObject({ isDryRun: true, looseBlobs: 5 });
});

describe('refresh', () => {
  test('says what became of each tag', async () => {
    await using admin = await startAdmin();
    expect(await linesOf(admin, 'refresh', 'a:1', 'b')).toEqual([
      `IMAGE   RESULT   DIGEST`,
      `a:1     moved    ${DIGEST}`,
      `b       moved    ${DIGEST}`,
    ]);
    expect(await runJson(admin, 'refresh', 'a:1')).toEqual([{ reference: 'a:1', result: 'moved', digest: DIGEST }]);
  });

  test('goes on after a failure, and ends with 1', async () => {
    await using admin = await startAdmin({
      refresh: (image) =>
        image === 'b'
          ? Promise.reject(new OperationError('NOT_FOUND', 'b is not cached'))
          : Promise.resolve([
              {
                reference: image,
                result: image === 'c' ? 'failed' : 'gone',
                ...(image === 'c' && { error: 'docker.io: down' }),
              },
            ]),
    });
    const { exitCode, stdout, stderr } = await run(admin, 'refresh', 'a', 'b', 'c');
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: '' });
    expect(stdout.trimEnd().split('\n')).toEqual([
      'IMAGE   RESULT   DIGEST',
      'a       gone     -',
      'b       failed   b is not cached',
      'c       failed   docker.io: down',
    ]);
  });
});

test('scrub starts a round', async () => {
  await using admin = await startAdmin();
  expect(await linesOf(admin, 'scrub')).toEqual(['scrub: a round is running, none has ended yet, one every 7 days']);
  expect(await runJson(admin, 'scrub')).toMatchObject({ isRunning: true });
});

test('offline and online switch an upstream', async () => {
  await using admin = await startAdmin();
  expect(await linesOf(admin, 'offline', 'r.example:5000')).toEqual([
    'r.example:5000 is offline: it is not asked for anything',
  ]);
  expect(await linesOf(admin, 'online', 'r.example:5000')).toEqual(['r.example:5000 is online']);
  expect(await runJson(admin, 'offline', 'docker.io')).toEqual({ ...UPSTREAM, isOffline: true });
  expect(admin.operations.calls).toEqual([
    ['setOffline', 'r.example:5000', true],
    ['setOffline', 'r.example:5000', false],
    ['setOffline', 'docker.io', true],
  ]);
});

describe('the exit code', () => {
  test('is 2 where the mirror says that it was asked wrongly, and its words cannot move the cursor', async () => {
    await using admin = await startAdmin({
      setOffline: () => Promise.reject(new OperationError('INVALID', 'no \u001b[2Jupstream')),
    });
    const outcome = await run(admin, 'offline', 'x');
    expect(outcome).toEqual({ exitCode: 2, stdout: '', stderr: 'entrepot: no  [2Jupstream\n' });
  });

  test('is 1 where the mirror failed', async () => {
    await using admin = await startAdmin({ collectGarbage: () => Promise.reject(new Error('bug')) });
    const outcome = await run(admin, 'gc', '--json');
    expect(outcome).toEqual({ exitCode: 1, stdout: '', stderr: 'entrepot: the mirror failed; its log says why\n' });
  });

  test.each([[['status', 'x']], [['pin']], [['refresh']], [['offline']], [['ls', 'a', 'b']], [['gc', '--nonsense']]])(
    'of wrong use, %j, is 2',
    async (args) => {
      const { exitCode, stdout, stderr } = await entrepot(args, '/');
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
      expect(stderr).not.toBe('');
    },
  );
});
