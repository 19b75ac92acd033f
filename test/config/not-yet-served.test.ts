import { expect, test } from 'vitest';
import { notYetServed } from '../../src/config/not-yet-served.ts';
import { loadText } from './load-text.ts';

test.each([
  '',
  'storage: {quota: 1GiB}',
  'pins: ["docker.io/**"]',
  'warm: [{images: [alpine], schedule: "0 5 * * *"}]',
])('%j is served in full', async (text) => {
  expect(notYetServed(await loadText(text))).toEqual([]);
});

test.each([
  ['registry: {listen: ":5002"}', 'registry', 'warning'],
  ['hosted: [local]', 'hosted', 'warning'],
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
