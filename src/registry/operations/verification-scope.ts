import type { MetadataIndex, Root } from '../../metadata/metadata-index.ts';
import { parseImageName } from '../../oci/image-name.ts';
import type { VerificationScope } from '../upkeep/verification.ts';
import { heldRepository, type Holdings, requireHeldRepository } from './held-repository.ts';
import { OperationError } from './operation-error.ts';
import type { VerifyRequest } from './operations.ts';

const PAGE = 200;

/** What an operator asks to be hashed again. @throws OperationError INVALID, NOT_FOUND; RegistryError NAME_UNKNOWN */
export async function verificationScope(
  { image, repository }: VerifyRequest,
  holdings: Holdings & { readonly index: MetadataIndex },
): Promise<VerificationScope> {
  const { index } = holdings;
  if (repository !== undefined) {
    return { kind: 'roots', roots: await rootsOf(await requireHeldRepository(repository, holdings), index) };
  }
  if (image === undefined) return { kind: 'everything' };
  const name = parseImageName(image);
  const known = name && (await heldRepository(name.path, holdings));
  if (!name || !known) throw new OperationError('INVALID', `"${image}" is no image; write for example debian:12`);
  const { reference } = name;
  const digest = reference.kind === 'digest' ? reference.digest : (await index.findTag(known, reference.tag))?.digest;
  // A digest that nobody knows has nothing to hash: that must not look like one that was found whole.
  const found = digest && (await index.findBlob(known, digest));
  if (!digest || !found?.isStored || !found.belongs) throw new OperationError('NOT_FOUND', `${image} is not here`);
  return { kind: 'roots', roots: [{ repository: known, digest }] };
}

async function rootsOf(repository: string, index: MetadataIndex): Promise<Root[]> {
  const roots: Root[] = [];
  let after: Root | undefined;
  for (;;) {
    const page = await index.listRoots({ repository, limit: PAGE, ...(after && { after }) });
    roots.push(...page);
    after = page.at(-1);
    if (!after) break;
  }
  if (roots.length === 0) throw new OperationError('NOT_FOUND', `nothing of ${repository} is here`);
  return roots;
}
