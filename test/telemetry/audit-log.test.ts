import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type AuditEntry, AuditFile } from '../../src/telemetry/audit-log.ts';
import { silentLogger } from '../../src/telemetry/logger.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { Telemetry } from '../../src/telemetry/telemetry.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const ENTRY: AuditEntry = {
  who: 'ci',
  action: 'push',
  repository: 'local/app',
  reference: 'v1',
  digest: 'sha256:abc',
  address: '192.0.2.1',
  requestId: 'r-1',
  outcome: 'allowed',
  status: 201,
};

function telemetry(): Telemetry {
  return new Telemetry(silentLogger(), new Metrics('test'));
}

describe('the audit log', () => {
  test('is JSON lines in a file for its owner, written at once', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'audit.jsonl');
    await using audit = new AuditFile({ file, site: 'here', telemetry: telemetry() });
    audit.record(ENTRY);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
      log: 'audit',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      site: 'here',
      ...ENTRY,
    });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test('goes on where it ended', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'audit.jsonl');
    await writeFile(file, '{"who":"before"}\n');
    for (const who of ['alice', 'bob']) {
      await using audit = new AuditFile({ file, site: 'here', telemetry: telemetry() });
      audit.record({ ...ENTRY, who });
    }
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as AuditEntry).who)).toEqual(['before', 'alice', 'bob']);
  });

  test('goes on in a new file when the old one was renamed, and in the old one when there can be none', async () => {
    await using directory = await temporaryDirectory();
    const [file, old] = [join(directory.path, 'audit.jsonl'), join(directory.path, 'audit.1')];
    await using audit = new AuditFile({ file, site: 'here', telemetry: telemetry() });
    const named = async (path: string) =>
      (await readFile(path, 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as AuditEntry).who);
    audit.record({ ...ENTRY, who: 'alice' });
    await rename(file, old);
    audit.record({ ...ENTRY, who: 'bob' });
    await mkdir(file);
    audit.reopen();
    audit.record({ ...ENTRY, who: 'carol' });
    await rm(file, { recursive: true });
    audit.reopen();
    audit.record({ ...ENTRY, who: 'dave' });
    expect(await named(old)).toEqual(['alice', 'bob', 'carol']);
    expect(await named(file)).toEqual(['dave']);
  });

  test('keeps what clients say in its line and short', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'audit.jsonl');
    await using audit = new AuditFile({ file, site: 'here', telemetry: telemetry() });
    audit.record({ ...ENTRY, who: `a\n{"who":"root"}${'x'.repeat(1000)}`, action: 'login' });
    const text = await readFile(file, 'utf8');
    expect(text.split('\n')).toHaveLength(2);
    expect((JSON.parse(text) as AuditEntry).who).toHaveLength(255);
  });

  test('that cannot be opened stops the start', () => {
    const open = () => new AuditFile({ file: '/nonexistent/audit.jsonl', site: 'here', telemetry: telemetry() });
    expect(open).toThrow(
      expect.objectContaining({ code: 'AUDIT_UNUSABLE', message: expect.stringContaining('/nonexistent/audit.jsonl') }),
    );
  });

  test('on a full disk says so in the log, and ends nothing', async () => {
    const told = telemetry();
    const errors: object[] = [];
    told.log.error = (fields: object) => void errors.push(fields);
    await using audit = new AuditFile({ file: '/dev/full', site: 'here', telemetry: told });
    audit.record(ENTRY);
    expect(errors[0]).toMatchObject({ file: '/dev/full', code: 'ENOSPC' });
  });
});
