import { join } from 'node:path';
import { temporaryDirectory } from '../test/support/temporary-directory.ts';
import { startDockerRegistry, startHostingProgram } from './contenders.ts';
import { type Figure, printFigures } from './figures.ts';
import { makeLayer, type Layer } from './layer.ts';
import { Pushing } from './pushing.ts';
import { requirePrograms } from './require-programs.ts';
import { pushChunked, pushWhole } from './upload.ts';

const MIB = 1024 * 1024;
const LAYER_BYTES = 512 * MIB;
const ROUNDS = 5;
const CLIENTS = 4;

type Push = (url: string, layer: Layer) => Promise<void>;

/** Ways to push so many bytes. */
const WAYS: readonly { readonly name: string; readonly clients: number; readonly push: Push }[] = [
  { name: 'POST and PUT', clients: 1, push: pushWhole },
  { name: 'POST, chunked PATCH and PUT', clients: 1, push: pushChunked },
  { name: `the same by ${CLIENTS} clients`, clients: CLIENTS, push: pushChunked },
];

requirePrograms(['docker-registry', 'curl']);
await using folder = await temporaryDirectory('bench');
await using theirs = await startDockerRegistry();
await using ours = await startHostingProgram();
const figures = { theirs: [] as Figure[], ours: [] as Figure[] };
for (const { name, clients, push } of WAYS) {
  console.error(`pushing ${LAYER_BYTES / MIB} MiB: ${name} ...`);
  const pushing = { theirs: new Pushing(theirs, push), ours: new Pushing(ours, push) };
  for (let round = 0; round < ROUNDS; round += 1) {
    const layers: Layer[] = [];
    for (let client = 0; client < clients; client += 1) {
      const seed = `${name} ${round} ${client}`;
      layers.push(await makeLayer(join(folder.path, `layer-${client}`), LAYER_BYTES / clients, seed));
    }
    // Whoever is first has a cooler machine.
    for (const who of round % 2 === 0 ? (['theirs', 'ours'] as const) : (['ours', 'theirs'] as const))
      await pushing[who].push(layers);
  }
  for (const who of ['theirs', 'ours'] as const) figures[who].push(...pushing[who].figures(name));
}
printFigures(figures.theirs, figures.ours);
