import { expect, test } from 'vitest';
import { digestOf } from '../../../src/oci/digest.ts';
import { findRoot, tagTarget } from '../../../src/registry/pushing/look-up.ts';
import { openStock } from '../space/stock.ts';

test('a tag is found among all that are like it, and none that is not there', async () => {
  await using stock = await openStock();
  const names = ['v', 'v0', 'v1', 'v1.0', 'v10', 'v1_', 'v1-', 'v2', 'V1', '1', '_', 'a'.repeat(128)];
  for (const name of names) await stock.addImage(name, { repository: 'local/app', tags: [name] });
  await stock.addImage('elsewhere', { repository: 'local/other', tags: ['elsewhere'] });
  for (const name of names) {
    expect(await tagTarget(stock.index, 'local/app', name), name).toBe(digestOf(Buffer.from(`manifest of ${name}`)));
  }
  for (const name of ['v3', 'v1.', 'v1.00', '0', 'z', 'elsewhere', 'a'.repeat(127)]) {
    expect(await tagTarget(stock.index, 'local/app', name), name).toBe(undefined);
  }
});

test('a tag is found whose manifest was lost', async () => {
  await using stock = await openStock();
  const digest = await stock.addImage('v1', { repository: 'local/app' });
  await stock.index.removeBlobs([digest]);
  expect(await stock.index.findTag('local/app', 'v1')).toBe(undefined);
  expect(await tagTarget(stock.index, 'local/app', 'v1')).toBe(digest);
});

test('a root is found by its digest, and what is part of one is none', async () => {
  await using stock = await openStock();
  const digests = await Promise.all(
    ['a', 'b', 'c'].map((name) => stock.addImage(name, { repository: 'local/app', tags: [name], layers: [name] })),
  );
  for (const digest of digests) expect(await findRoot(stock.index, 'local/app', digest)).toMatchObject({ digest });
  const [digest] = digests;
  if (!digest) throw new Error('no image was made');
  const content = (await stock.index.contentOf({ repository: 'local/app', digest })).find(
    (part) => part.digest !== digest,
  );
  if (!content) throw new Error('the image has no layer');
  expect(await findRoot(stock.index, 'local/app', content.digest)).toBe(undefined);
  expect(await findRoot(stock.index, 'local/none', digest)).toBe(undefined);
});
