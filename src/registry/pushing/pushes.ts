import { KeyedLock } from '../../util/keyed-lock.ts';
import { Deletion, type DeletionOptions } from './deletion.ts';
import { ManifestPushes, type ManifestPushesOptions } from './manifest-pushes.ts';
import { Mounts, type MountsOptions } from './mounts.ts';
import { Uploads, type UploadsOptions } from './uploads.ts';

export type PushesOptions = UploadsOptions &
  MountsOptions &
  Omit<ManifestPushesOptions, 'tagLocks'> &
  Omit<DeletionOptions, 'tagLocks'> & {
    /** The largest manifest that is taken. */
    readonly manifestLimitBytes: number;
  };

/** What clients that push can do. */
export class Pushes implements AsyncDisposable {
  readonly uploads: Uploads;
  readonly mounts: Mounts;
  readonly manifests: ManifestPushes;
  readonly deletion: Deletion;
  readonly manifestLimitBytes: number;

  constructor(options: PushesOptions) {
    const tagLocks = new KeyedLock();
    this.uploads = new Uploads(options);
    this.mounts = new Mounts(options);
    this.manifests = new ManifestPushes({ ...options, tagLocks });
    this.deletion = new Deletion({ ...options, tagLocks });
    this.manifestLimitBytes = options.manifestLimitBytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.uploads[Symbol.asyncDispose]();
  }
}
