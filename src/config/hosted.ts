import { isRepositoryPath } from '../oci/repository.ts';
import type { UpstreamConfig } from './config.ts';
import { parsedText } from './scalars.ts';
import type { SectionReader } from './section-reader.ts';
import { list } from './structures.ts';

export const hostedSchema = list(
  parsedText(
    (source) => (isRepositoryPath(source) && !source.includes('/') ? source : undefined),
    'a namespace; write one part of a name, for example local',
  ),
).prefault([]);

/** Refuses namespaces that a request could not tell from an upstream, or from each other. */
export function checkHosted(
  hosted: readonly string[],
  upstreams: readonly Pick<UpstreamConfig, 'name'>[],
  reader: SectionReader,
): void {
  for (const [index, namespace] of hosted.entries()) {
    if (hosted.indexOf(namespace) !== index) reader.refuse(['hosted', index], 'is given twice; keep one of them');
    if (upstreams.some(({ name }) => name === namespace)) {
      reader.refuse(['hosted', index], 'is the name of an upstream; give the namespace another name');
    }
  }
}
