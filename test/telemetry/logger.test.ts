import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { startProcess } from '../support/process.ts';

const SCRIPT = fileURLToPath(new URL('./support/log-secrets.ts', import.meta.url));

async function logged(format: string): Promise<string> {
  await using child = await startProcess(process.execPath, [SCRIPT, format]);
  expect(await child.exited).toMatchObject({ code: 0 });
  await expect.poll(() => child.output).toContain('a warning');
  return child.output;
}

describe('the logger', () => {
  test('writes JSON lines with the site, and no secret', async () => {
    const output = await logged('json');
    const lines = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(output).not.toContain('hunter2');
    expect(lines).toHaveLength(8);
    for (const line of lines) {
      expect(line).toMatchObject({
        site: 'test-site',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      });
      if (line['key'] !== 'repository') expect(line[String(line['key'])]).toBe('[secret]');
    }
    expect(lines.at(-1)).toMatchObject({ level: 40, msg: 'a warning', repository: 'docker.io/library/app' });
  });

  test('writes lines for people, and no secret either', async () => {
    const output = await logged('pretty');
    expect(output).not.toContain('hunter2');
    expect(output).toContain('[secret]');
    expect(output).not.toContain('not shown');
    expect(output).toMatch(/WARN.*a warning/);
  });
});
