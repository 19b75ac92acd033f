import type { MetadataIndex } from '../../metadata/metadata-index.ts';

/** The index as readers of its event log need it. */
export type EventLog = Pick<
  MetadataIndex,
  'readEvents' | 'lastEvent' | 'trimEvents' | 'onEvents' | 'readNote' | 'writeNote'
>;
