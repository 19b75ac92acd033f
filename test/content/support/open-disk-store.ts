import { DiskStore } from '../../../src/content/disk/disk-store.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import type { StoreUnderTest } from '../content-store-conformance.ts';
import { mountSmallDisk } from './tmpfs.ts';

/** A disk store, and the folder that it is in. */
export interface OpenedDiskStore extends StoreUnderTest {
  readonly store: DiskStore;
  readonly path: string;
  reopen(): Promise<DiskStore>;
}

/** Opens a disk store on a disk of its own in memory, where syncing takes no time. */
export async function openQuickDiskStore(): Promise<OpenedDiskStore> {
  await using opened = new AsyncDisposableStack();
  const disk = opened.use(await mountSmallDisk(32 * 1024 * 1024));
  const store = await openDiskStore(disk.path);
  const cleanup = opened.move();
  return {
    get store() {
      return store.store;
    },
    path: disk.path,
    reopen: () => store.reopen(),
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await cleanup.disposeAsync();
    },
  };
}

/** Opens a disk store in a folder of its own, or in the given one, which is left alone then. */
export async function openDiskStore(folder?: string): Promise<OpenedDiskStore> {
  await using opened = new AsyncDisposableStack();
  const path = folder ?? opened.use(await temporaryDirectory()).path;
  let store = await DiskStore.open(path);
  const cleanup = opened.move();
  return {
    get store() {
      return store;
    },
    path,
    reopen: async () => {
      await store[Symbol.asyncDispose]();
      store = await DiskStore.open(path);
      return store;
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await cleanup.disposeAsync();
    },
  };
}
