import { describe, expect, test } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import { isReplicated, keptHeaders, originOf, originSiteOf } from '../../src/http/replication-origin.ts';

const NOW = Date.UTC(2026, 0, 1);
const DIGEST = digestOf(Buffer.from('x'));

function having(origin: string | undefined): { headers: Record<string, string> } {
  return { headers: origin === undefined ? {} : { 'entrepot-origin': origin } };
}

describe('the change that a request repeats', () => {
  test('is none where it says nothing', () => {
    expect(originOf(having(undefined), NOW)).toBe(undefined);
    expect(isReplicated(having(undefined))).toBe(false);
    expect(originSiteOf(having(undefined))).toBe(undefined);
  });

  test('is told with its site, number, time and base', () => {
    const message = having(`site=us-east; sequence=7; clock=${NOW}.3; base=${DIGEST}`);
    expect(isReplicated(message)).toBe(true);
    expect(originSiteOf(message)).toBe('us-east');
    expect(originOf(message, NOW)).toEqual({
      origin: { site: 'us-east', sequence: 7, clock: { ms: NOW, count: 3 }, base: DIGEST },
    });
    expect(originOf(having('site=us-east; sequence=7; clock=1.0'), NOW)?.origin).not.toHaveProperty('base');
  });

  test.each(['', 'nonsense', 'site=a; sequence=1; clock=1.0; base=sha256:abc', 'site=a; sequence=1'])(
    'is a problem that names what would be right: %j',
    (text) => {
      expect(isReplicated(having(text))).toBe(true);
      expect(originOf(having(text), NOW)).toEqual({
        origin: undefined,
        problem:
          'Entrepot-Origin is not understood; it looks like this: ' +
          'site=eu-west; sequence=42; clock=1764425000123.0; base=sha256:<hex>',
      });
    },
  );

  test('may be of five minutes ahead, and no more', () => {
    const ahead = (ms: number) => originOf(having(`site=us-east; sequence=1; clock=${NOW + ms}.0`), NOW);
    expect(ahead(300_000)).toHaveProperty('origin.clock.ms', NOW + 300_000);
    expect(ahead(300_001)).toEqual({
      origin: undefined,
      problem:
        'the clock of us-east is ahead: the change is of 2026-01-01T00:05:00.001Z, and here it is ' +
        '2026-01-01T00:00:00.000Z; set the clocks right',
    });
    expect(originOf(having('site=a; sequence=1; clock=999999999999999.0'), NOW)?.problem).toContain('set the clocks');
  });
});

test('who replicates is told of a tag that stayed', () => {
  expect(keptHeaders(undefined)).toEqual({});
  expect(keptHeaders({ digest: DIGEST })).toEqual({ 'Entrepot-Kept': DIGEST });
  expect(keptHeaders({ digest: undefined })).toEqual({ 'Entrepot-Kept': 'deleted' });
});
