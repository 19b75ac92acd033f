import { startEntrepot } from '../../support/entrepot.ts';
import { startOrigin } from '../../support/origin.ts';
import { buildImage } from '../../support/images.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { ask } from './ask.ts';
async function one(n: number) {
  await using origin = await startOrigin({ allowUnexpected: true });
  await using data = await temporaryDirectory();
  const config = { storage: { path: data.path }, upstreams: { 'docker.io': { url: origin.url, default: true } } };
  for (let i = 0; i < 25; i++) {
    try {
      const e = await startEntrepot({ config });
      buildImage(origin, 'library/app', `v${i}`, { seed: i + n * 1000 , layers: [3_000_000]});
      ask(e, `/v2/library/app/manifests/v${i}`).catch(() => {});
      await new Promise((r) => setTimeout(r, (i * 13) % 90));
      await e.kill(); await e[Symbol.asyncDispose]();
    } catch (error) { console.log(n, i, String(error).slice(0, 1500)); }
  }
}
await Promise.all([one(1), one(2), one(3)]);
console.log('done');
