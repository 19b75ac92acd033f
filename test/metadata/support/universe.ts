import type { Universe } from './index-model.ts';

const layer = (name: string) => ({ role: 'layer', name }) as const;
const child = (name: string) => ({ role: 'manifest', name }) as const;

/** Images that share layers, an index, an index of an index, and what refers to a subject. */
export const UNIVERSE: Universe = {
  layer0: { sizeBytes: 1, refers: [] },
  layer1: { sizeBytes: 4096, refers: [] },
  layer2: { sizeBytes: 4097, refers: [] },
  layer3: { sizeBytes: 0, refers: [] },
  config: { sizeBytes: 10_000, refers: [] },
  image0: { sizeBytes: 100, refers: [{ role: 'config', name: 'config' }, layer('layer0'), layer('layer1')] },
  image1: { sizeBytes: 200, refers: [{ role: 'config', name: 'config' }, layer('layer1'), layer('layer2')] },
  image2: { sizeBytes: 300, refers: [layer('layer0'), layer('layer0')] },
  index: { sizeBytes: 400, refers: [child('image0'), child('image1')] },
  bigIndex: { sizeBytes: 500, refers: [child('index'), child('image2'), child('image1')] },
  signature: { sizeBytes: 600, refers: [layer('layer3'), { role: 'subject', name: 'image0' }] },
  report: { sizeBytes: 700, refers: [{ role: 'subject', name: 'index' }, layer('layer2')] },
};
/** All its names. */
export const NAMES = Object.keys(UNIVERSE);
/** The same, with a manifest that another one has for a layer, and one whose subject is a blob. */
export const ODD_UNIVERSE: Universe = {
  ...UNIVERSE,
  wrapper: { sizeBytes: 800, refers: [layer('image2'), layer('config')] },
  scan: { sizeBytes: 900, refers: [{ role: 'subject', name: 'layer1' }, layer('layer0')] },
};
/** Names of what refers to something. */
export const MANIFESTS = manifestsOf(UNIVERSE);

export function manifestsOf(universe: Universe): string[] {
  return Object.keys(universe).filter((name) => (universe[name]?.refers.length ?? 0) > 0);
}
