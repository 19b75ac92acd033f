import { describe, expect, test } from 'vitest';
import { isPaused, type Pause, withoutPause, withPause } from '../../src/replication/pauses.ts';

const LINKS = [
  { rule: 'a', peer: 'one' },
  { rule: 'a', peer: 'two' },
  { rule: 'b', peer: 'one' },
];

function pausedBy(pauses: readonly Pause[]): string[] {
  return LINKS.filter((link) => isPaused(pauses, link)).map(({ rule, peer }) => `${rule}-${peer}`);
}

describe('pauses', () => {
  test.each([
    [{}, ['a-one', 'a-two', 'b-one']],
    [{ rule: 'a' }, ['a-one', 'a-two']],
    [{ peer: 'one' }, ['a-one', 'b-one']],
    [{ rule: 'a', peer: 'two' }, ['a-two']],
    [{ rule: 'c' }, []],
  ])('%j hold up %j', (pause, paused) => {
    expect(pausedBy([pause])).toEqual(paused);
  });

  test.each([
    [[], { rule: 'a' }, [{ rule: 'a' }]],
    [[{ rule: 'a' }], { rule: 'a' }, [{ rule: 'a' }]],
    [[{ rule: 'a' }], { rule: 'a', peer: 'one' }, [{ rule: 'a' }]],
    [[{ rule: 'a', peer: 'one' }, { rule: 'b' }], { rule: 'a' }, [{ rule: 'b' }, { rule: 'a' }]],
    [[{ rule: 'a' }, { peer: 'one' }], {}, [{}]],
    [[{ rule: 'a' }], { peer: 'one' }, [{ rule: 'a' }, { peer: 'one' }]],
  ])('%j and %j are %j', (pauses, pause, together) => {
    expect(withPause(pauses, pause)).toEqual(together);
  });

  test.each([
    [[{ rule: 'a' }], { rule: 'a' }, []],
    [[{}], {}, []],
    [[{ rule: 'a' }, { rule: 'b' }], {}, []],
    [[{ rule: 'a', peer: 'one' }], { rule: 'a' }, []],
    [[{ rule: 'b' }], { rule: 'a' }, [{ rule: 'b' }]],
    [[{ rule: 'a' }], { rule: 'a', peer: 'one' }, [{ rule: 'a', peer: 'two' }]],
    [
      [{}],
      { rule: 'b' },
      [
        { rule: 'a', peer: 'one' },
        { rule: 'a', peer: 'two' },
      ],
    ],
    // A rule that is gone for the moment stays paused.
    [[{ rule: 'gone' }], { peer: 'one' }, [{ rule: 'gone' }]],
  ])('%j without %j are %j', (pauses, resumed, left) => {
    expect(withoutPause(pauses, resumed, LINKS)).toEqual(left);
  });
});
