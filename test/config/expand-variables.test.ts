import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expandVariables } from '../../src/config/expand-variables.ts';
import { formatKeyPath } from '../../src/config/key-path.ts';

const ENV = { NAME: 'value', EMPTY: '', QUOTES: `a: "b" # 'c'`, NESTED: '${NAME}' };

function expand(value: unknown) {
  const refusals: string[] = [];
  const expanded = expandVariables(value, ENV, (path, message) => refusals.push(`${formatKeyPath(path)}: ${message}`));
  return { expanded, refusals };
}

describe('a variable', () => {
  test.each([
    ['${NAME}', 'value'],
    ['a${NAME}b${NAME}', 'avaluebvalue'],
    ['${EMPTY}', ''],
    ['${EMPTY:-default}', 'default'],
    ['${UNSET:-default}', 'default'],
    ['${UNSET:-}', ''],
    ['${UNSET:-a:-b}', 'a:-b'],
    ['${NAME:-default}', 'value'],
    ['${QUOTES}', `a: "b" # 'c'`],
    ['${NESTED}', '${NAME}'],
    ['$${NAME}', '${NAME}'],
    ['$NAME $ $$ }', '$NAME $ $$ }'],
  ])('in %j gives %j', (text, expected) => {
    expect(expand(text)).toEqual({ expanded: expected, refusals: [] });
  });

  test.each(['${', '${}', '${NAME', '${1A}', '${A B}', '${UNSET:-${NAME}}', '${NAME:default}'])(
    'is refused in %j without showing it',
    (text) => {
      const { expanded, refusals } = expand({ key: text });
      expect(expanded).toEqual({ key: undefined });
      expect(refusals).toEqual([expect.stringContaining('key: has "${" without a variable\'s name; write ${NAME}')]);
    },
  );

  test('that is not set is named, with the key that uses it', () => {
    expect(expand({ list: ['ok', { 'a.b': '${UNSET}' }] }).refusals).toEqual([
      'list[1]."a.b": uses the environment variable UNSET, which is not set; set it, or write ${UNSET:-default}',
    ]);
  });

  test('changes nothing but strings', () => {
    const value = { a: 1, b: true, c: null, d: [1.5, 'x'], ['__proto__']: { e: '${NAME}' } };
    expect(expand(value).expanded).toEqual({ a: 1, b: true, c: null, d: [1.5, 'x'], ['__proto__']: { e: 'value' } });
  });

  test('leaves any text without "${" as it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!text.includes('${'));
        expect(expand(text).expanded).toBe(text);
      }),
    );
  });
});
