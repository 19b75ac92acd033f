import { expect, test } from 'vitest';
import { notYetServed } from '../../src/config/not-yet-served.ts';
import { loadText } from './load-text.ts';

test('the defaults are served in full', async () => {
  expect(notYetServed(await loadText(''))).toEqual([]);
});

test.each([
  ['registry: {listen: ":5002"}', 'registry', 'warning'],
  ['storage: {quota: 1GiB}', 'storage.quota', 'warning'],
  ['hosted: [local]', 'hosted', 'warning'],
  ['pins: ["local/**"]', 'pins', 'warning'],
  ['peers: {a: {url: "https://a"}}', 'peers', 'warning'],
  ['access: {}', 'access', 'error'],
])('%s is not served yet: %s, %s', async (text, key, severity) => {
  const message = expect.stringContaining('this version does not serve it yet');
  expect(notYetServed(await loadText(text))).toEqual([{ key, severity, message }]);
});

test('rules of replication are not served yet', async () => {
  const text = 'peers: {a: {url: "https://a"}}\nreplication: [{name: x, repositories: ["**"], to: [a]}]';
  expect(notYetServed(await loadText(text)).map(({ key }) => key)).toEqual(['peers', 'replication']);
});
