import { describe, expect, test } from 'vitest';
import { digestHex, digestOf, type Digest } from '../../../src/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts';
import { buildImage, buildIndex } from '../../support/images.ts';
import { APP, openStage } from '../support/copy-stage.ts';
import { Draft } from '../support/draft.ts';
import { ruleWith } from '../support/site.ts';
import { StrictPeer } from '../support/strict-peer.ts';
import { openSite, type TestSite } from '../support/test-site.ts';

const SIGNATURE = 'application/vnd.example.signature';

/** `sha256-<hex>.sig` */
function attachedTag(digest: string, suffix: string): string {
  return `sha256-${digestHex(digest as Digest)}${suffix}`;
}

/** An image with a signature by subject, one of that, and one by tag. */
async function pushSigned(site: TestSite, tag = 'v1') {
  const draft = new Draft();
  const image = buildImage(draft, APP, tag);
  await site.push(APP, draft);
  const signatures = new Draft();
  const referrer = signatures.addArtifact({ name: 'referrer', subject: image, annotations: { by: 'alice' } });
  const second = signatures.addArtifact({ name: 'of the referrer', subject: referrer });
  const byTag = signatures.addArtifact({ name: 'by tag', tag: attachedTag(image.digest, '.sig') });
  await site.push(APP, signatures);
  return { image, referrer, second, byTag };
}

describe('what is attached to an image', () => {
  test.each([
    ['an entrepot', new StrictPeer({ site: 'us-east' })],
    ['a registry with the referrers API', new StrictPeer({ hasReferrersApi: true })],
  ])('goes to %s with it, after it', async (_, peer) => {
    await using site = await openSite();
    const { image, referrer, second, byTag } = await pushSigned(site);
    const stage = openStage(site, peer);
    expect(await stage.run('v1')).toMatchObject({ outcome: 'copied', digest: image.digest });
    const puts = peer.asked.filter((question) => question.startsWith('put '));
    expect(puts).toEqual([
      `put ${APP} v1`,
      `put ${APP} ${referrer.digest}`,
      `put ${APP} ${attachedTag(image.digest, '.sig')}`,
      `put ${APP} ${second.digest}`,
    ]);
    expect(peer.at(APP).tags.get(attachedTag(image.digest, '.sig'))).toBe(byTag.digest);
    expect(peer.origins.get(`${APP} ${referrer.digest}`)).toMatchObject({ site: 'here', sequence: 7 });
    expect(await stage.run('v1')).toMatchObject({ outcome: 'present', sentBytes: 0 });
  });

  test('is listed under a tag where the peer keeps no list of referrers, beside what others listed', async () => {
    await using site = await openSite();
    const { image, referrer, second } = await pushSigned(site);
    const peer = new StrictPeer();
    const list = attachedTag(image.digest, '');
    const others = {
      mediaType: OCI_MANIFEST,
      digest: digestOf(Buffer.from('others')),
      size: 6,
      annotations: { by: 'bob' },
    };
    const theirs = { annotations: { by: 'carol' }, schemaVersion: 2, mediaType: OCI_INDEX, x: [1] };
    const bytes = Buffer.from(JSON.stringify({ ...theirs, manifests: [others] }));
    peer.at(APP).manifests.set(others.digest, { bytes: Buffer.from('others'), mediaType: OCI_MANIFEST });
    await peer.putManifest(APP, { kind: 'tag', tag: list }, { bytes, mediaType: OCI_INDEX });
    const stage = openStage(site, peer);
    await stage.run('v1');
    const entry = { mediaType: referrer.mediaType, digest: referrer.digest, size: referrer.bytes.length };
    expect(peer.json(APP, list)).toEqual({
      ...theirs,
      manifests: [others, { ...entry, artifactType: SIGNATURE, annotations: { by: 'alice' } }],
    });
    expect(peer.json(APP, attachedTag(referrer.digest, ''))).toMatchObject({ manifests: [{ digest: second.digest }] });
    expect(await stage.run('v1')).toMatchObject({ outcome: 'present', sentBytes: 0 });
  });

  test('is listed by a later run if an earlier one came to put it only', async () => {
    await using site = await openSite();
    const { image, referrer } = await pushSigned(site);
    const list = attachedTag(image.digest, '');
    const peer = new StrictPeer();
    peer.before = (question) => {
      if (question === `put ${APP} ${list}`) peer.refuse(500, 'UNKNOWN');
    };
    await expect(openStage(site, peer).run('v1')).rejects.toThrow('the test says so');
    expect(peer.at(APP).manifests.has(referrer.digest)).toBe(true);
    peer.before = () => undefined;
    // A new run knows nothing of the peer.
    expect(await openStage(site, peer).run('v1')).toMatchObject({ outcome: 'copied' });
    expect(peer.json(APP, list)).toMatchObject({ manifests: [{ digest: referrer.digest }] });
  });

  test('lists of many that come at once are complete', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1');
    await site.push(APP, draft);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    await stage.run('v1');
    const more = new Draft();
    const referrers = Array.from({ length: 20 }, (_, number) =>
      more.addArtifact({ name: `${number}`, subject: image }),
    );
    await site.push(APP, more);
    await Promise.all(referrers.map(({ digest }) => stage.run(digest)));
    const { manifests } = peer.json(APP, attachedTag(image.digest, '')) as { manifests: { digest: string }[] };
    expect(manifests.map(({ digest }) => digest).toSorted()).toEqual(referrers.map(({ digest }) => digest).toSorted());
  });

  test('goes with images of an index too, and with an image that the peer has', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const index = buildIndex(draft, APP, 'v1');
    await site.push(APP, draft);
    const peer = new StrictPeer({ site: 'us-east' });
    const stage = openStage(site, peer);
    await stage.run('v1');
    const signatures = new Draft();
    const [image] = index.images;
    const late = image && signatures.addArtifact({ name: 'late', subject: image });
    await site.push(APP, signatures);
    expect(await stage.run('v1')).toMatchObject({ outcome: 'copied', sentBlobs: 2 });
    expect(peer.at(APP).manifests.has(late?.digest as Digest)).toBe(true);
  });

  test('goes with it whatever types the rule names, and not without it', async () => {
    await using site = await openSite();
    const { image, referrer } = await pushSigned(site);
    const peer = new StrictPeer({ site: 'us-east' });
    const stage = openStage(site, peer);
    const charts = ruleWith({ artifactTypes: ['application/vnd.cncf.helm.*'] });
    for (const reference of ['v1', image.digest, referrer.digest, attachedTag(image.digest, '.sig')]) {
      expect(await stage.run(reference, { rule: charts })).toMatchObject({ outcome: 'present', sentBytes: 0 });
    }
    expect(peer.at(APP).manifests.size).toBe(0);
    await stage.run('v1', { rule: ruleWith({ artifactTypes: ['image'] }) });
    expect(peer.at(APP).manifests.size).toBe(4);
  });

  test('whose content is not here leaves the image there, and the job incomplete', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1');
    const { layer, digest } = draft.addArtifact({ name: 'lost', subject: image });
    await site.push(APP, draft, { without: [layer] });
    const peer = new StrictPeer({ site: 'us-east' });
    const result = await openStage(site, peer).run('v1');
    expect(result).toMatchObject({ outcome: 'incomplete', digest: image.digest, missing: `blob ${layer}` });
    expect(peer.at(APP).tags.get('v1')).toBe(image.digest);
    expect(peer.at(APP).manifests.has(digest)).toBe(false);
  });
});

describe('a job for what is attached', () => {
  test.each(['referrer', 'second', 'byTag'] as const)('brings its subject first: %s', async (which) => {
    await using site = await openSite();
    const signed = await pushSigned(site);
    const reference = which === 'byTag' ? attachedTag(signed.image.digest, '.sig') : signed[which].digest;
    const peer = new StrictPeer({ site: 'us-east' });
    const stage = openStage(site, peer);
    const rule = ruleWith({ tags: ['v*'] });
    expect(await stage.run(reference, { rule })).toMatchObject({ outcome: 'copied', digest: signed[which].digest });
    expect(peer.at(APP).tags.get('v1')).toBe(signed.image.digest);
    expect(peer.at(APP).manifests.size).toBe(4);
  });

  test('sends itself only when the subject is there', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, 'v1');
    await site.push(APP, draft);
    const peer = new StrictPeer({ site: 'us-east' });
    const stage = openStage(site, peer);
    await stage.run('v1');
    const { referrer } = await pushSigned(site);
    peer.asked.length = 0;
    expect(await stage.run(referrer.digest)).toMatchObject({ outcome: 'copied' });
    expect(peer.asked.slice(0, 2)).toEqual([`head ${APP} ${image.digest}`, `head ${APP} ${referrer.digest}`]);
    expect(peer.count(/v1$/)).toBe(0);
  });

  test('does nothing where the rule takes none of the tags of its subject', async () => {
    await using site = await openSite();
    const { image, referrer } = await pushSigned(site);
    const peer = new StrictPeer({ site: 'us-east' });
    const stage = openStage(site, peer);
    const rule = ruleWith({ tags: ['release-*'] });
    for (const reference of [referrer.digest, attachedTag(image.digest, '.sig')]) {
      expect(await stage.run(reference, { rule })).toMatchObject({ outcome: 'present', sentBytes: 0 });
    }
    expect(peer.asked).toEqual([]);
  });

  test('waits for a subject that is neither here nor there', async () => {
    await using site = await openSite();
    const subject = { digest: digestOf(Buffer.from('subject')), mediaType: OCI_INDEX, bytes: Buffer.from('subject') };
    const draft = new Draft();
    const orphan = draft.addArtifact({ name: 'orphan', subject });
    draft.addArtifact({ name: 'by tag', tag: attachedTag(subject.digest, '.sig') });
    await site.push(APP, draft);
    const peer = new StrictPeer({ site: 'us-east' });
    const stage = openStage(site, peer);
    for (const reference of [orphan.digest, attachedTag(subject.digest, '.sig')]) {
      const missing = `its subject: manifest ${subject.digest}`;
      expect(await stage.run(reference)).toMatchObject({ outcome: 'incomplete', missing });
      const rule = ruleWith({ tags: ['v*'] });
      expect(await stage.run(reference, { rule })).toMatchObject({ outcome: 'present' });
    }
    expect(peer.at(APP).manifests.size).toBe(0);
  });
});

describe('a job for a digest', () => {
  test('without a tag is done where the rule takes all tags', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const image = buildImage(draft, APP, undefined);
    await site.push(APP, draft);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    expect(await stage.run(image.digest, { rule: ruleWith({ tags: ['v*'] }) })).toMatchObject({ outcome: 'present' });
    expect(peer.asked).toEqual([]);
    expect(await stage.run(image.digest)).toMatchObject({ outcome: 'copied', digest: image.digest });
    expect(peer.origins.get(`${APP} ${image.digest}`)).toEqual({
      site: 'here',
      sequence: 7,
      clock: { ms: 1_700_000_000_000, count: 0 },
    });
  });

  test('of a part of an image that has tags copies those that the rule takes', async () => {
    await using site = await openSite();
    const draft = new Draft();
    const index = buildIndex(draft, APP, 'v1');
    for (const tag of ['v2', 'latest']) draft.addManifest(APP, tag, index.bytes, index.mediaType);
    await site.push(APP, draft);
    const peer = new StrictPeer();
    const stage = openStage(site, peer);
    const child = index.images[0]?.digest ?? '';
    expect(await stage.run(child, { rule: ruleWith({ tags: ['x*'] }) })).toMatchObject({ outcome: 'present' });
    expect(await stage.run(child, { rule: ruleWith({ tags: ['v*'] }) })).toMatchObject({
      outcome: 'copied',
      digest: child,
    });
    expect([...peer.at(APP).tags.keys()].toSorted()).toEqual(['v1', 'v2']);
    peer.asked.length = 0;
    expect(await stage.run(child)).toMatchObject({ outcome: 'present', sentBytes: 0 });
    expect(peer.asked).toEqual([`head ${APP} ${child}`]);
  });
});
