import type { MetadataIndex } from '../../metadata/metadata-index.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ReplicationRule } from '../rule.ts';

/** This site, as it is compared with its peers. */
export interface Here {
  readonly index: MetadataIndex;
  /**
   * Does a rule that takes some types of artifacts only take this manifest? It is asked of such rules only. Absent: types
   * are not looked at.
   */
  readonly takesType?: (
    rule: ReplicationRule,
    manifest: { readonly repository: string; readonly digest: Digest },
  ) => Promise<boolean>;
}
