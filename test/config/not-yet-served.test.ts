import { expect, test } from 'vitest';
import { notYetServed } from '../../src/config/not-yet-served.ts';
import { loadText } from './load-text.ts';

test.each([
  '',
  'storage: {quota: 1GiB}',
  'pins: ["docker.io/**"]',
  'warm: [{images: [alpine], schedule: "0 5 * * *"}]',
  'registry: {listen: ":5002"}',
  'hosted: [local]\nhostedRules: [{repositories: ["local/**"], deletes: false}]',
  'access: {policy: [{who: ci, may: [push], in: ["**"]}]}',
  'webhooks: [{name: a, url: "https://a"}]',
])('%j is served in full', async (text) => {
  expect(notYetServed(await loadText(text))).toEqual([]);
});

test('peers are not served yet', async () => {
  const message = expect.stringContaining('this version does not serve it yet');
  expect(notYetServed(await loadText('peers: {a: {url: "https://a"}}'))).toEqual([{ key: 'peers', message }]);
});

test('rules of replication are not served yet', async () => {
  const text = 'peers: {a: {url: "https://a"}}\nreplication: [{name: x, repositories: ["**"], to: [a]}]';
  expect(notYetServed(await loadText(text)).map(({ key }) => key)).toEqual(['peers', 'replication']);
});
