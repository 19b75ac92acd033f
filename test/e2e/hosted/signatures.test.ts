import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pushDescribed, pushManifest } from '../../conformance/support/push.ts';
import { type Client, jsonOf, send } from '../../conformance/support/send.ts';
import { PASSWORD } from '../../support/hosted.ts';
import { IMAGE_MEDIA_TYPES } from '../../support/images.ts';
import { type ContainersTools, containersTools } from '../support/containers-tools.ts';
import { imageOfLayers } from '../support/runnable-images.ts';
import { digestsInFolder, writeImageFolder } from './support/image-folder.ts';
import { startRegistry } from './support/registry.ts';

const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';
const ANNOTATIONS = { 'dev.cosignproject.cosign/signature': Buffer.from('not checked here').toString('base64') };
const image = imageOfLayers('signed', [1000]);
const { digest: imageDigest } = image.root;
const signatureTag = `${imageDigest.replace(':', '-')}.sig`;

/** A manifest of a signature. */
interface SignatureManifest {
  readonly layers: readonly { readonly digest: string; readonly annotations: unknown }[];
}

/** Signs as cosign does: a manifest whose layer says what is signed, at a tag made of the image's digest. @returns its digest */
async function pushSignature(client: Client): Promise<string> {
  const payload = {
    critical: { image: { 'docker-manifest-digest': imageDigest }, type: 'cosign container image signature' },
  };
  const layer = await pushDescribed(client, Buffer.from(JSON.stringify(payload)), SIMPLE_SIGNING);
  const config = { architecture: '', os: '', rootfs: { type: 'layers', diff_ids: [layer.digest] } };
  const described = await pushDescribed(client, Buffer.from(JSON.stringify(config)), IMAGE_MEDIA_TYPES.oci.config);
  const layers = [{ ...layer, annotations: ANNOTATIONS }];
  await pushManifest(client, signatureTag, {
    schemaVersion: 2,
    mediaType: IMAGE_MEDIA_TYPES.oci.manifest,
    config: described,
    layers,
  });
  return layer.digest;
}

/** Has skopeo look for signatures in the registry. */
async function lookForSignatures(tools: ContainersTools): Promise<string[]> {
  const folder = tools.path('registries.d');
  await mkdir(folder);
  await writeFile(join(folder, 'default.yaml'), 'default-docker: {use-sigstore-attachments: true}\n');
  return ['--registries.d', folder];
}

test("signatures at cosign's tags go along when skopeo copies their image, and stay when it deletes it", async () => {
  await using registry = await startRegistry();
  await using tools = await containersTools({ [registry.host]: registry.host });
  await tools.login(registry.host, 'ci', PASSWORD);
  const options = await lookForSignatures(tools);
  const app = `docker://${registry.host}/local/app:v1`;
  const other = `docker://${registry.host}/local/team/other:v1`;
  await writeImageFolder(tools.path('image'), image);

  await tools.skopeo('copy', '--preserve-digests', `dir:${tools.path('image')}`, app);
  const payload = await pushSignature(registry.client('local/app'));
  await tools.skopeo(...options, 'copy', '--preserve-digests', app, other);
  const copied = await send(registry.client('local/team/other'), 'GET', `manifests/${signatureTag}`);
  expect(copied.status).toBe(200);
  const { layers } = jsonOf(copied) as unknown as SignatureManifest;
  expect(layers).toMatchObject([{ digest: payload, annotations: ANNOTATIONS }]);

  await tools.skopeo(...options, 'copy', other, `dir:${tools.path('back')}`);
  expect(await digestsInFolder(tools.path('back'))).toContain(imageDigest);
  await tools.skopeo('delete', app);
  const listed = await tools.skopeo('list-tags', app.replace(':v1', ''));
  expect(JSON.parse(listed)).toMatchObject({ Tags: [signatureTag] });
});
