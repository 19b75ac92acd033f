import { describe, expect, test } from 'vitest';
import { startAdmin, type TestAdmin } from '../support/admin.ts';
import { REPLICATION } from '../support/fake-replication.ts';
import { entrepot, type Outcome } from './command.ts';

function run(admin: TestAdmin, ...args: readonly string[]): Promise<Outcome> {
  return entrepot(args, '/', { ENTREPOT_ADMIN: admin.url });
}

async function linesOf(admin: TestAdmin, ...args: readonly string[]): Promise<string[]> {
  const { exitCode, stdout, stderr } = await run(admin, ...args);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout.trimEnd().split('\n');
}

const STATUS = { replication: { status: () => Promise.resolve(REPLICATION) } };

describe('replication', () => {
  test('status says how far each rule is with each peer', async () => {
    await using admin = await startAdmin(STATUS);
    const lines = [
      'RULE          PEER      BEHIND     JOBS                             TO SEND   SENT     STATE',
      expect.stringMatching(
        /^base-images   us-east   1 minute   1 running, 3 pending, 2 parked   512 MiB   64 MiB   the peer is down; refused by the peer: .* --state parked; all platforms: [^;]*$/,
      ),
      '',
      'PEER                  STATE                 LAST ERROR',
      expect.stringMatching(/^us-east \(us-east-1\)   down for \d+ seconds   answered 503$/),
      '',
      '1 conflict: see entrepot replication conflicts',
    ];
    expect(await linesOf(admin, 'replication', 'status')).toEqual(lines);
    expect((await linesOf(admin, 'status')).slice(-lines.length)).toEqual(lines);
    const json = await run(admin, 'replication', 'status', '--json');
    expect(JSON.parse(json.stdout)).toEqual(REPLICATION);
  });

  test('status says of a peer that is there what it minds', async () => {
    const jobs = { pending: 1, running: 0, waiting: 0, parked: 0, held: 2 };
    const [link] = REPLICATION.links;
    if (!link) throw new Error('there is no link');
    const links = [{ ...link, jobs, isSparseRefused: false, isPaused: true }];
    const inGrace = { ...link, lagSeconds: 0, jobs: { ...jobs, held: 0 }, isSparseRefused: false };
    links.push({ ...inGrace, isPaused: false });
    const peers = [{ name: 'us-east', isUp: true }];
    const status = () => Promise.resolve({ links, peers, conflicts: 0 });
    await using admin = await startAdmin({ replication: { status } });
    const [, line, after] = await linesOf(admin, 'replication', 'status');
    expect(after).toMatch(/1 pending .* ok$/);
    expect(line).toMatch(
      /paused; deletions wait for entrepot replication approve; last error \d+ seconds ago: us-east: answered 503$/,
    );
  });

  test('status says that there is nothing to say', async () => {
    await using admin = await startAdmin();
    expect(await linesOf(admin, 'replication', 'status')).toEqual(['no rule of replication is configured']);
  });

  test('jobs, history and conflicts are lists', async () => {
    await using admin = await startAdmin();
    expect(await linesOf(admin, 'replication', 'jobs', '--rule', 'a', '--state', 'parked')).toEqual([
      'JOB   RULE          PEER      REFERENCE                     STATE    SINCE          TRIES   REASON',
      '7     base-images   us-east   docker.io/library/debian:12   parked   1 minute ago   5       the tag is immutable',
    ]);
    expect(await linesOf(admin, 'replication', 'history', '--peer', 'us-east')).toEqual([
      expect.stringMatching(/^ENDED +RULE +PEER +REFERENCE +OUTCOME +TOOK +SENT +ERROR$/),
      expect.stringMatching(
        /base-images +us-east +docker.io\/library\/debian@sha256:cdcdcdcdcdcd +copied +1\.5 s +3 MiB +-$/,
      ),
    ]);
    expect(await linesOf(admin, 'replication', 'conflicts')).toEqual([
      expect.stringMatching(/^WHEN +TAG +POINTS AT +LOST, KEPT BY DIGEST$/),
      expect.stringMatching(/^1 hour ago +local\/app:v1 +sha256:cdcdcdcdcdcd of us-east +sha256:(ef){32} of eu-west$/),
    ]);
    expect(admin.replication.calls).toEqual([
      ['jobs', { rule: 'a', state: 'parked', limit: 100 }],
      ['history', { peer: 'us-east', limit: 100 }],
      ['conflicts', { limit: 100 }],
    ]);
    expect(await run(admin, 'replication', 'jobs', '--state', 'x')).toMatchObject({ exitCode: 2 });
  });

  test('jobs say when they are due', async () => {
    const job = { rule: 'a', peer: 'b', repository: 'local/app', state: 'pending', attempts: 0 } as const;
    const times = { sinceMs: Date.now(), dueAtMs: Date.now() + 90_000 };
    const list = [
      { ...job, ...times, id: 1, reference: 'v1', isDeletion: true },
      { ...job, ...times, id: 2, reference: 'v2', isDeletion: false, reason: 'answered 400' },
      { ...job, ...times, id: 3, reference: 'v3', isDeletion: false, dueAtMs: Date.now() },
    ];
    await using admin = await startAdmin({ replication: { jobs: () => Promise.resolve(list) } });
    expect((await linesOf(admin, 'replication', 'jobs')).slice(1)).toEqual([
      expect.stringMatching(/delete local\/app:v1 .* in its time of grace, due in 1 minute$/),
      expect.stringMatching(/local\/app:v2 .* answered 400; tried again in 1 minute$/),
      expect.stringMatching(/local\/app:v3 .* -$/),
    ]);
  });

  test('diff says what differs, and ends with 1 if something does', async () => {
    await using admin = await startAdmin();
    const { exitCode, stdout } = await run(admin, 'replication', 'diff', 'us-east', '--rule', 'a');
    expect(exitCode).toBe(1);
    expect(stdout.trimEnd().split('\n')).toEqual([
      'us-east: docker.io/library/debian:12 is sha256:efefefefefef there, sha256:cdcdcdcdcdcd here',
      'us-east: docker.io/library/debian:11 was deleted here, and is sha256:efefefefefef there',
      'us-east: 2 tags the same in 1 repository, 2 differences',
    ]);
    expect(admin.replication.calls).toEqual([['diff', { peer: 'us-east', rule: 'a' }]]);
  });

  test('is paused, resumed, retried and approved', async () => {
    await using admin = await startAdmin();
    expect(await linesOf(admin, 'replication', 'pause', '--rule', 'a')).toEqual(['rule a paused']);
    expect(await linesOf(admin, 'replication', 'resume')).toEqual(['replication resumed']);
    expect(await linesOf(admin, 'replication', 'retry', '--job', '7')).toEqual([
      '2 jobs due now; peers that are down are asked whether they are there again',
    ]);
    expect(await linesOf(admin, 'replication', 'approve', '--rule', 'a', '--peer', 'b')).toEqual([
      '1 deletion may go on',
    ]);
    expect(admin.replication.calls).toEqual([
      ['pause', { rule: 'a' }],
      ['resume', {}],
      ['retry', { job: 7 }],
      ['approve', { rule: 'a', peer: 'b' }],
    ]);
    expect(await run(admin, 'replication', 'retry', '--job', 'x')).toMatchObject({ exitCode: 2 });
  });
});

describe('replicate', () => {
  test('asks for what a rule is about', async () => {
    await using admin = await startAdmin();
    expect(await linesOf(admin, 'replicate', '--rule', 'a')).toEqual([
      '4 references to be looked at: see entrepot replication status',
    ]);
    expect(await linesOf(admin, 'replicate', '--rule', 'a', '--peer', 'b', '--now')).toEqual([
      '4 references done, 5 MiB sent',
    ]);
    expect(await linesOf(admin, 'replicate', '--rule', 'a', '--dry-run')).toEqual([
      'us-east: docker.io/library/debian:12 is missing there (sha256:cdcdcdcdcdcd here)',
      '1 difference',
    ]);
    expect(admin.replication.calls).toEqual([
      ['replicate', { rule: 'a', dryRun: false, now: false }],
      ['replicate', { rule: 'a', peer: 'b', dryRun: false, now: true }],
      ['replicate', { rule: 'a', dryRun: true, now: false }],
    ]);
  });

  test('ends with 1 when something failed', async () => {
    const failures = [{ peer: 'b', reference: 'local/app:v1', error: 'the tag is immutable' }];
    await using admin = await startAdmin({
      replication: {
        replicate: () =>
          Promise.resolve({
            isDryRun: false,
            isWaitedFor: true,
            references: 1,
            referencesDone: 1,
            sentBytes: 0,
            differences: [],
            failures,
          }),
      },
    });
    expect(await run(admin, 'replicate', '--rule', 'a', '--now')).toMatchObject({
      exitCode: 1,
      stdout: 'b: local/app:v1: the tag is immutable\n0 of 1 reference done, 0 B sent; 1 failed\n',
    });
  });

  test('does not say of a peer that failed that nothing would be sent', async () => {
    const failures = [{ peer: 'b', reference: '', error: 'b: the connection failed' }];
    const counts = { references: 0, referencesDone: 0, sentBytes: 0 };
    const report = { ...counts, isDryRun: true, isWaitedFor: false, differences: [], failures };
    await using admin = await startAdmin({ replication: { replicate: () => Promise.resolve(report) } });
    expect(await run(admin, 'replicate', '--rule', 'a', '--dry-run')).toMatchObject({
      exitCode: 1,
      stdout: 'b: b: the connection failed\nno difference was found until then\n',
    });
  });

  test('needs a rule', async () => {
    await using admin = await startAdmin();
    expect(await run(admin, 'replicate')).toMatchObject({ exitCode: 2 });
  });
});
