import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MetadataIndex } from '../../src/metadata/metadata-index.ts';
import type { IndexUnderTest } from './metadata-index-conformance.ts';
import { digest, manifest, reference } from './support/rows.ts';

const APP = 'docker.io/library/app';
const OTHER = 'ghcr.io/owner/other';

/** What every index does (src/metadata/metadata-index.ts): content as whole images. */
export function describeRootIndex(title: string, openIndex: () => Promise<IndexUnderTest>): void {
  describe(`${title}, as an index of roots,`, () => {
    let opened: IndexUnderTest;
    let index: MetadataIndex;
    beforeEach(async () => {
      opened = await openIndex();
      index = opened.index;
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    const names = new Map(
      ['m', 'n', 'o', 'index', 'child', 'other child', 'layer', 'own', 'config', 'signature', 'x', 'b'].map((name) => [
        digest(name),
        name,
      ]),
    );
    const nameOf = (of: { digest: string }) => names.get(of.digest as never) ?? of.digest;
    const rootsOf = async (repository = APP) => {
      const roots = await index.listRoots({ repository, limit: 100 });
      return roots.map(nameOf).toSorted();
    };
    const oldest = async (query: { registry?: string; limit: number } = { limit: 100 }) =>
      (await index.oldestRoots(query)).map(nameOf);
    const drop = async (name: string, repository = APP) =>
      (await index.dropRoots([{ repository, digest: digest(name) }])).map(nameOf).toSorted();
    const put = (blob: string, repositories: readonly string[] = [APP], atMs = 1000) =>
      index.putBlob({ digest: digest(blob), sizeBytes: 10, repositories, atMs });
    const use = (name: string, atMs: number, repository = APP) =>
      index.noteUse({ repository, digest: digest(name), atMs });
    const belongs = async (name: string, repository = APP) => (await index.findBlob(repository, digest(name))).belongs;

    describe('says what is a root:', () => {
      test('an image, with or without a tag, and not its parts', async () => {
        const references = [reference('config', 'config'), reference('layer')];
        await index.putManifest(manifest('m', { references, tags: ['v1', 'latest'], atMs: 5000 }));
        await put('layer', [APP], 6000);
        await index.putManifest(manifest('n', { references }));
        const root = (await index.listRoots({ repository: APP, limit: 100 })).find((one) => nameOf(one) === 'm');
        expect(await rootsOf()).toEqual(['m', 'n']);
        expect(root).toEqual({
          repository: APP,
          digest: digest('m'),
          tags: ['latest', 'v1'],
          isManifest: true,
          usedAtMs: 5000,
          sizeBytes: 1010,
          diskBytes: 2 * 4096,
        });
      });

      test('a blob that nothing lists, until something does', async () => {
        await put('layer');
        await index.linkBlob(APP, digest('config'));
        expect(await rootsOf()).toEqual(['config', 'layer']);
        expect((await index.listRoots({ limit: 1 }))[0]).toMatchObject({ isManifest: false, tags: [] });
        await index.putManifest(manifest('m', { references: [reference('layer')] }));
        expect(await rootsOf()).toEqual(['config', 'm']);
        await put('own', []);
        await index.putManifest(manifest('n', { references: [reference('own')] }));
        expect(await rootsOf()).toEqual(['config', 'm', 'n']);
      });

      test('an index and not its children, whichever comes first, but for those with a tag', async () => {
        const references = [reference('child', 'manifest'), reference('other child', 'manifest')];
        await index.putManifest(manifest('child', { tags: ['amd64'] }));
        await index.putManifest(manifest('index', { references }));
        expect(await rootsOf()).toEqual(['child', 'index']);
        await index.putManifest(manifest('other child'));
        expect(await rootsOf()).toEqual(['child', 'index']);
        expect(await index.dropTag(APP, 'amd64')).toBe(true);
        expect(await rootsOf()).toEqual(['index']);
        await index.putTag(APP, 'arm64', digest('other child'), 5);
        expect(await rootsOf()).toEqual(['index', 'other child']);
        await index.putTag(APP, 'arm64', digest('child'), 5);
        expect(await rootsOf()).toEqual(['child', 'index']);
      });

      test('a manifest whose tag is dropped or moves away, if nothing lists it', async () => {
        await index.putManifest(manifest('m', { tags: ['v1', 'v2'] }));
        await index.putManifest(manifest('n', { tags: ['v1'] }));
        expect(await index.dropTag(APP, 'v2')).toBe(true);
        expect(await index.dropTag(APP, 'v2')).toBe(false);
        expect(await index.dropTag(OTHER, 'v1')).toBe(false);
        expect(await index.findTag(APP, 'v2')).toBe(undefined);
        expect(await rootsOf()).toEqual(['m', 'n']);
      });

      test('what refers to a subject only while the subject is not there', async () => {
        const references = [reference('m', 'subject'), reference('layer')];
        await index.putManifest(manifest('signature', { references }));
        expect(await rootsOf()).toEqual(['signature']);
        await index.putManifest(manifest('m'));
        await index.putManifest(manifest('o', { references }));
        expect(await rootsOf()).toEqual(['m']);
        await index.putManifest(manifest('m', { repository: OTHER }));
        await index.putManifest(manifest('signature', { repository: OTHER, references, tags: ['sig'] }));
        expect(await rootsOf(OTHER)).toEqual(['m', 'signature']);
      });

      test('one of those that refer to each other in a circle', async () => {
        // An index that lists its own subject, by way of another index; and one whose subject is its layer.
        await index.putManifest(manifest('m'));
        await index.putManifest(
          manifest('index', { references: [reference('m', 'subject'), reference('o', 'manifest')] }),
        );
        await index.putManifest(manifest('o', { references: [reference('m', 'manifest')] }));
        await index.putManifest(manifest('x', { references: [reference('b', 'subject'), reference('b')] }));
        await index.linkBlob(APP, digest('b'));
        const roots = await rootsOf();
        expect(roots).toHaveLength(2);
        expect(roots).toContain('x');
        for (const root of roots) await drop(root);
        expect(await Promise.all(['m', 'index', 'o', 'x', 'b'].map((name) => belongs(name)))).not.toContain(true);
      });

      test('what is stored for no repository, until a real one has it', async () => {
        await put('b', []);
        expect(await rootsOf('')).toEqual(['b']);
        expect(await index.listRoots({ limit: 100 })).toEqual([]);
        expect(await oldest()).toEqual(['b']);
        expect(await oldest({ registry: '', limit: 10 })).toEqual(['b']);
        await index.linkBlob(APP, digest('b'));
        expect(await rootsOf('')).toEqual([]);
        expect(await rootsOf()).toEqual(['b']);
        await put('b', []);
        expect(await rootsOf('')).toEqual([]);
      });
    });

    describe('lists them', () => {
      test('in byte order of repository and digest, page by page, of a registry or of all', async () => {
        const repositories = ['docker.io/b', 'docker.io/a', 'ghcr.io/c', 'docker.io/a-b'];
        for (const repository of repositories) {
          for (const name of ['m', 'n', 'o']) await index.putManifest(manifest(name, { repository }));
        }
        const digests = ['m', 'n', 'o'].map((name) => digest(name)).toSorted();
        const all = repositories.toSorted().flatMap((repository) => digests.map((each) => [repository, each]));
        const paged: string[][] = [];
        for (let after: { repository: string; digest: string } | undefined; ; ) {
          const page = await index.listRoots({ limit: 2, ...(after && { after }) });
          paged.push(...page.map((root) => [root.repository, root.digest]));
          after = page.at(-1);
          if (!after) break;
        }
        expect(paged).toEqual(all);
        const listed = async (query: Omit<Parameters<MetadataIndex['listRoots']>[0], 'limit'>) =>
          (await index.listRoots({ ...query, limit: 100 })).map((root) => [root.repository, root.digest]);
        expect(await listed({ registry: 'docker.io' })).toEqual(all.slice(0, 9));
        expect(await listed({ repository: 'docker.io/b', registry: 'docker.io' })).toEqual(all.slice(6, 9));
        expect(await listed({ repository: 'docker.io/b', registry: 'ghcr.io' })).toEqual([]);
        expect(await listed({ repository: 'docker.io/unheard' })).toEqual([]);
        const after = { repository: 'docker.io/a-b', digest: digests[1] ?? '' };
        expect(await listed({ after, registry: 'docker.io' })).toEqual(all.slice(5, 9));
        expect(await listed({ after, repository: 'docker.io/a-b' })).toEqual(all.slice(5, 6));
        expect(await listed({ after, repository: 'docker.io/a' })).toEqual([]);
      });

      test('with pages of hundreds', async () => {
        for (let number = 0; number < 230; number += 1) await index.putManifest(manifest(`m${number}`));
        expect(await index.listRoots({ limit: 230 })).toHaveLength(230);
        expect(await index.listRoots({ limit: 1000 })).toHaveLength(230);
        expect(await index.listRoots({ limit: 110 })).toHaveLength(110);
      });

      test('with all stored content of each, once', async () => {
        const layers = [reference('layer'), reference('own')];
        await index.putManifest(manifest('child', { references: layers, sizeBytes: 3 }));
        await index.putManifest(
          manifest('index', { references: [reference('child', 'manifest'), reference('layer')], sizeBytes: 4 }),
        );
        await index.putManifest(manifest('signature', { references: [reference('child', 'subject')], sizeBytes: 5 }));
        await put('layer');
        await put('config');
        const content = await index.contentOf({ repository: APP, digest: digest('index') });
        expect(content.map(nameOf).toSorted()).toEqual(['child', 'index', 'layer', 'signature']);
        expect(content.reduce((sum, each) => sum + each.sizeBytes, 0)).toBe(22);
        expect(await index.listRoots({ limit: 10 })).toMatchObject(
          ['index', 'config']
            .toSorted((a, b) => (digest(a) < digest(b) ? -1 : 1))
            .map((name) => ({ digest: digest(name), sizeBytes: name === 'index' ? 22 : 10 })),
        );
        expect(await index.contentOf({ repository: OTHER, digest: digest('index') })).toEqual([]);
        expect(await index.contentOf({ repository: APP, digest: digest('unheard') })).toEqual([]);
      });
    });

    describe('goes by the last use:', () => {
      test('of the root itself, noted or written', async () => {
        for (const [at, name] of ['m', 'n', 'o'].entries()) await index.putManifest(manifest(name, { atMs: 100 + at }));
        await index.putManifest(manifest('x', { repository: OTHER, atMs: 50 }));
        expect(await oldest()).toEqual(['x', 'm', 'n', 'o']);
        use('m', 500);
        expect(await oldest()).toEqual(['x', 'n', 'o', 'm']);
        use('n', 20);
        expect(await oldest({ limit: 2 })).toEqual(['x', 'n']);
        expect(await oldest({ registry: 'docker.io', limit: 2 })).toEqual(['n', 'o']);
        expect(await oldest({ registry: 'quay.io', limit: 2 })).toEqual([]);
        const again = await opened.reopen();
        expect((await again.oldestRoots({ limit: 9 })).map((root) => root.usedAtMs)).toEqual([50, 101, 102, 500]);
      });

      test('of a part, directly or through a child', async () => {
        await index.putManifest(manifest('child', { references: [reference('own')], atMs: 100 }));
        await index.putManifest(manifest('index', { references: [reference('child', 'manifest')], atMs: 100 }));
        await index.putManifest(manifest('n', { atMs: 200 }));
        use('own', 300);
        const usedAtMs = new Set((await index.listRoots({ limit: 9 })).map((root) => root.usedAtMs));
        expect(usedAtMs).toEqual(new Set([200, 300]));
        expect(await oldest()).toEqual(['n', 'index']);
        use('child', 400);
        expect((await index.oldestRoots({ limit: 9 })).map((root) => root.usedAtMs)).toEqual([200, 400]);
      });

      test('of a shared part for the root that was pulled last', async () => {
        for (const [at, name] of ['m', 'n', 'o'].entries()) {
          await index.putManifest(manifest(name, { references: [reference('layer')], atMs: 100 + at }));
        }
        use('n', 200);
        use('layer', 300);
        expect((await index.oldestRoots({ limit: 9 })).map((root) => [nameOf(root), root.usedAtMs])).toEqual([
          ['m', 100],
          ['o', 102],
          ['n', 300],
        ]);
      });

      test('of a shared part for one of two that were pulled at the same moment', async () => {
        for (const name of ['m', 'n']) {
          await index.putManifest(manifest(name, { references: [reference('layer')], atMs: 100 }));
        }
        use('layer', 300);
        expect((await index.oldestRoots({ limit: 9 })).map((root) => root.usedAtMs)).toEqual([100, 300]);
      });

      test('of a part in its own repository only', async () => {
        await index.putManifest(manifest('m', { references: [reference('layer')], atMs: 100 }));
        await index.putManifest(manifest('m', { repository: OTHER, references: [reference('layer')], atMs: 100 }));
        use('layer', 300, OTHER);
        expect((await index.oldestRoots({ limit: 9 })).map((root) => [root.repository, root.usedAtMs])).toEqual([
          [APP, 100],
          [OTHER, 300],
        ]);
      });

      test('of children that were roots before their index came', async () => {
        await index.putManifest(manifest('child', { atMs: 100 }));
        use('child', 900);
        await index.putManifest(manifest('index', { references: [reference('child', 'manifest')], atMs: 200 }));
        expect(await index.oldestRoots({ limit: 9 })).toMatchObject([{ digest: digest('index'), usedAtMs: 900 }]);
      });

      test('not of a put that brings nothing new', async () => {
        await index.putManifest(manifest('m', { atMs: 100, tags: ['v1'] }));
        await index.putManifest(manifest('m', { atMs: 500, tags: ['v1'] }));
        await index.putTag(APP, 'v1', digest('m'), 600);
        expect(await index.oldestRoots({ limit: 9 })).toMatchObject([{ usedAtMs: 100 }]);
      });

      test('with hundreds that have to move first', async () => {
        for (let number = 0; number < 450; number += 1) {
          const references = [reference(`own ${number}`)];
          await index.putManifest(manifest(`m${number}`, { references, atMs: 1000 + number }));
          use(`own ${number}`, 10_000 - number);
        }
        const found = await index.oldestRoots({ limit: 3 });
        expect(found.map((root) => root.usedAtMs)).toEqual([9551, 9552, 9553]);
      });

      test('passing over those that are set aside, until that is cleared or one of their tags leaves', async () => {
        for (const [at, name] of ['m', 'n', 'o'].entries()) {
          await index.putManifest(manifest(name, { tags: [`tag-${name}`, `second-${name}`], atMs: 100 + at }));
        }
        const roots = ['m', 'n', 'o', 'unheard'].map((name) => ({ repository: APP, digest: digest(name) }));
        await index.setAside(roots);
        expect(await oldest()).toEqual([]);
        expect(await oldest({ registry: 'docker.io', limit: 9 })).toEqual([]);
        expect(await rootsOf()).toEqual(['m', 'n', 'o']);
        await index.putTag(APP, 'tag-n', digest('n'), 5);
        expect(await oldest()).toEqual([]);
        await index.putTag(APP, 'tag-n', digest('o'), 5);
        expect(await oldest()).toEqual(['n']);
        await index.dropTag(APP, 'tag-m');
        expect(await oldest()).toEqual(['m', 'n']);
        await index.clearSetAside();
        expect(await oldest()).toEqual(['m', 'n', 'o']);
        await index.setAside(roots.slice(0, 1));
        expect(await (await opened.reopen()).oldestRoots({ limit: 9 })).toHaveLength(2);
      });

      test('with hundreds that are set aside', async () => {
        const roots = Array.from({ length: 450 }, (_, number) => ({ repository: APP, digest: digest(number) }));
        for (let number = 0; number < 450; number += 1) await index.putManifest(manifest(String(number)));
        await index.setAside(roots);
        expect(await index.oldestRoots({ limit: 9 })).toEqual([]);
        await index.clearSetAside();
        expect(await index.oldestRoots({ limit: 1000 })).toHaveLength(450);
      });
    });

    describe('finds those that have content:', () => {
      const above = async (name: string, { limit = 100, repository = APP } = {}) =>
        (await index.rootsAbove(repository, digest(name), limit)).map((found) => nameOf({ digest: found }));

      test('itself, and what is above it, nearest first', async () => {
        await index.putManifest(manifest('child', { references: [reference('layer')], tags: ['amd64'] }));
        await index.putManifest(manifest('index', { references: [reference('child', 'manifest')] }));
        await index.putManifest(manifest('o', { references: [reference('index', 'manifest')], tags: ['v1'] }));
        await index.putManifest(manifest('n', { references: [reference('child', 'manifest')] }));
        await index.putManifest(manifest('signature', { references: [reference('child', 'subject')] }));
        await index.putManifest(manifest('m', { repository: OTHER, references: [reference('layer')] }));
        expect(await rootsOf()).toEqual(['child', 'n', 'o']);
        expect(await above('child')).toEqual(['child', 'n', 'o']);
        expect((await above('layer')).toSorted()).toEqual(['child', 'n', 'o']);
        expect((await above('signature'))[0]).toBe('child');
        expect(await above('index')).toEqual(['o']);
        expect(await above('child', { limit: 2 })).toEqual(['child', 'n']);
        expect(await above('layer', { repository: OTHER })).toEqual(['m']);
        expect(await above('child', { repository: OTHER })).toEqual([]);
        expect(await above('x')).toEqual([]);
      });

      test('and gives no more than are asked for, however many there are', async () => {
        for (let number = 0; number < 300; number += 1) {
          await index.putManifest(manifest(String(number), { references: [reference('layer')] }));
        }
        expect(await above('layer', { limit: 10 })).toHaveLength(10);
        expect((await above('layer', { limit: 1000 })).length).toBeGreaterThanOrEqual(100);
      });
    });

    describe('finds the one that has content and was pulled last:', () => {
      const latest = async (name: string, repository = APP) => {
        const found = await index.latestRootOf(repository, digest(name));
        return found && nameOf({ digest: found });
      };

      test('of a layer, of a child, of itself', async () => {
        for (const [at, name] of ['m', 'n', 'o'].entries()) {
          await index.putManifest(manifest(name, { references: [reference('layer')], atMs: 100 - at }));
        }
        await index.putManifest(manifest('child', { references: [reference('own')], atMs: 5 }));
        await index.putManifest(manifest('index', { references: [reference('child', 'manifest')], atMs: 6 }));
        expect(await latest('layer')).toBe('m');
        expect(await latest('own')).toBe('index');
        expect(await latest('child')).toBe('index');
        expect(await latest('n')).toBe('n');
        use('n', 200);
        expect(await latest('layer')).toBe('n');
        await index.putTag(APP, 'amd64', digest('child'), 7);
        expect(await latest('own')).toBe('index');
        use('child', 300);
        expect(await latest('own')).toBe('child');
      });

      test('none of what the repository does not have', async () => {
        await index.putManifest(manifest('m', { references: [reference('child', 'manifest')] }));
        expect(await latest('m', OTHER)).toBe(undefined);
        expect(await latest('unheard')).toBe(undefined);
        expect(await latest('child')).toBe('m');
      });
    });

    describe('drops them', () => {
      test('with their tags and parts, and tells what is doomed', async () => {
        const references = [reference('config', 'config'), reference('layer')];
        await index.putManifest(manifest('m', { references, tags: ['v1', 'v2'] }));
        await put('layer');
        expect(await index.findTag(APP, 'v1')).toBeDefined();
        expect(await index.findManifest(APP, digest('m'))).toBeDefined();
        const doomed = await index.dropRoots([
          { repository: OTHER, digest: digest('m') },
          { repository: APP, digest: digest('m') },
          { repository: APP, digest: digest('m') },
          { repository: APP, digest: digest('layer') },
          { repository: APP, digest: digest('unheard') },
        ]);
        expect(doomed).toHaveLength(2);
        expect(doomed).toContainEqual({ digest: digest('m'), sizeBytes: 1000 });
        expect(doomed).toContainEqual({ digest: digest('layer'), sizeBytes: 10 });
        expect(await index.findTag(APP, 'v1')).toBe(undefined);
        expect(await index.findManifest(APP, digest('m'))).toBe(undefined);
        expect(await index.listTags(APP)).toEqual([]);
        expect(await index.findBlob(APP, digest('layer'))).toMatchObject({ isStored: false, belongs: false });
        expect(await index.summarize({ limit: 10 })).toEqual([]);
        expect(await index.listBlobs('', 10)).toEqual([]);
      });

      test('but not what another root of the repository has', async () => {
        await index.putManifest(manifest('m', { references: [reference('layer'), reference('own')] }));
        await index.putManifest(manifest('n', { references: [reference('layer')], tags: ['n'] }));
        for (const blob of ['layer', 'own']) await put(blob);
        expect(await index.findTag(APP, 'n')).toBeDefined();
        expect(await drop('m')).toEqual(['m', 'own']);
        expect(await belongs('layer')).toBe(true);
        expect(await index.findTag(APP, 'n')).toBeDefined();
        expect(await drop('n')).toEqual(['layer', 'n']);
      });

      test('but not from another repository, which keeps the bytes', async () => {
        await index.putManifest(manifest('m', { references: [reference('layer')], tags: ['v1'] }));
        await index.putManifest(manifest('m', { repository: OTHER, references: [reference('layer')], tags: ['v1'] }));
        await put('layer');
        expect(await index.findTag(OTHER, 'v1')).toBeDefined();
        expect(await drop('m')).toEqual([]);
        expect(await belongs('layer')).toBe(false);
        expect(await index.findTag(OTHER, 'v1')).toMatchObject({ digest: digest('m') });
        expect(await drop('m', OTHER)).toEqual(['layer', 'm']);
      });

      test('with children, their blobs, and what has them as a subject', async () => {
        await index.putManifest(manifest('child', { references: [reference('own')] }));
        await index.putManifest(manifest('index', { references: [reference('child', 'manifest')], tags: ['v1'] }));
        await index.putManifest(
          manifest('signature', { references: [reference('child', 'subject'), reference('layer')] }),
        );
        for (const blob of ['layer', 'own']) await put(blob);
        expect(await drop('child')).toEqual([]);
        expect(await drop('index')).toEqual(['child', 'index', 'layer', 'own', 'signature']);
        expect(await index.listRepositories({ limit: 10 })).toEqual([]);
      });

      test('that are listed by another root from the roots only: they stay as its parts', async () => {
        await index.putManifest(manifest('child', { references: [reference('own')], tags: ['amd64'] }));
        await index.putManifest(manifest('index', { references: [reference('child', 'manifest')] }));
        expect(await drop('child')).toEqual([]);
        expect(await index.listTags(APP)).toEqual([]);
        expect(await rootsOf()).toEqual(['index']);
        expect(await index.findManifest(APP, digest('child'))).toBeDefined();
      });

      test('and leaves a tagged child, a tagged referrer, and a child of another index', async () => {
        const children = [reference('child', 'manifest'), reference('other child', 'manifest')];
        await index.putManifest(manifest('child', { tags: ['amd64'] }));
        await index.putManifest(manifest('other child', { references: [reference('own')] }));
        await index.putManifest(manifest('index', { references: children }));
        await index.putManifest(manifest('o', { references: children.slice(1) }));
        await index.putManifest(manifest('signature', { references: [reference('index', 'subject')], tags: ['sig'] }));
        expect(await drop('index')).toEqual(['index']);
        expect(await rootsOf()).toEqual(['child', 'o', 'signature']);
        expect(await drop('o')).toEqual(['o', 'other child']);
      });

      test('also when parts of it were lost or never came', async () => {
        const references = [reference('child', 'manifest'), reference('layer'), reference('own')];
        await index.putManifest(manifest('index', { references }));
        await put('layer');
        await index.removeBlobs([digest('layer'), digest('index')]);
        expect(await rootsOf()).toEqual(['index']);
        expect(await belongs('layer')).toBe(true);
        expect(await drop('index')).toEqual([]);
        expect(await index.summarize({ limit: 10 })).toEqual([]);
      });

      test('with lists about them, and with all lists of a repository that is empty then', async () => {
        await index.putManifest(manifest('m'));
        await index.putManifest(manifest('n'));
        const list = { repository: APP, body: Buffer.from('[]'), atMs: 1 };
        for (const name of ['m', 'n']) {
          expect(await index.putListing({ ...list, key: name, about: digest(name) })).toBe(true);
        }
        expect(await index.putListing({ ...list, key: 'tags' })).toBe(true);
        await drop('m');
        expect(await index.findListing(APP, 'm')).toBe(undefined);
        expect(await index.findListing(APP, 'n')).toBeDefined();
        await drop('n');
        await index.putManifest(manifest('n'));
        expect(await index.findListing(APP, 'tags')).toBe(undefined);
        expect(await index.findListing(APP, 'n')).toBe(undefined);
      });

      test('of no repository', async () => {
        await put('b', []);
        expect(await drop('b', '')).toEqual(['b']);
        expect(await oldest()).toEqual([]);
        await put('b', []);
        expect(await rootsOf('')).toEqual(['b']);
      });

      test('all or none of them', async () => {
        await index.putManifest(manifest('m', { tags: ['v1'] }));
        const broken = { repository: APP, digest: {} as never };
        await expect(index.dropRoots([{ repository: APP, digest: digest('m') }, broken])).rejects.toBeInstanceOf(Error);
        expect(await index.findTag(APP, 'v1')).toBeDefined();
      });
    });

    describe('keeps account of doomed content:', () => {
      beforeEach(async () => {
        await index.putManifest(manifest('m', { references: [reference('layer')] }));
        await put('layer');
        await drop('m');
      });

      test('until its bytes are gone', async () => {
        expect((await index.listDoomed(10)).map(nameOf).toSorted()).toEqual(['layer', 'm']);
        expect(await index.listDoomed(1)).toHaveLength(1);
        expect(await index.listDoomed(0)).toEqual([]);
        expect(await index.isDoomed(digest('layer'))).toBe(true);
        expect(await index.isDoomed(digest('own'))).toBe(false);
        await index.settleDoomed([digest('layer'), digest('unheard')]);
        expect(await index.isDoomed(digest('layer'))).toBe(false);
        expect(await (await opened.reopen()).listDoomed(10)).toEqual([{ digest: digest('m'), sizeBytes: 1000 }]);
      });

      test('until it is stored anew', async () => {
        await put('layer', [], 7000);
        expect((await index.listDoomed(10)).map(nameOf)).toEqual(['m']);
        expect(await index.findBlob('', digest('layer'))).toMatchObject({ isStored: true, storedAtMs: 7000 });
        await index.settleDoomed([digest('layer')]);
        expect((await index.findBlob('', digest('layer'))).isStored).toBe(true);
        await index.putManifest(manifest('m', { tags: ['v1'], references: [reference('layer')] }));
        expect(await index.listDoomed(10)).toEqual([]);
        expect(await drop('m')).toEqual(['layer', 'm']);
      });

      test('also when a repository has it again before its bytes are', async () => {
        await index.linkBlob(OTHER, digest('layer'));
        expect(await index.isDoomed(digest('layer'))).toBe(true);
        expect(await index.findBlob(OTHER, digest('layer'))).toMatchObject({ isStored: false, belongs: true });
        await index.settleDoomed([digest('layer')]);
        expect(await belongs('layer', OTHER)).toBe(true);
      });
    });
  });
}
