import type { FullScan } from './full-scan.ts';
import type { LinkReader } from './link-reader.ts';
import type { Link } from './link.ts';
import type { PeerSite } from './peer-site.ts';

/** A link with what works for it. */
export interface LinkPart {
  readonly link: Link;
  readonly site: PeerSite;
  readonly fullScan: FullScan;
  /** Of rules that follow events. */
  readonly reader: LinkReader | undefined;
}
