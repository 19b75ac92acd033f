import { join } from 'node:path';
import { SqliteIndex } from '../../../src/metadata/sqlite/sqlite-index.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import type { IndexUnderTest } from '../metadata-index-conformance.ts';

/** An index in a file of its own. @param site the name of the site that it is of */
export async function openSqliteIndex(site?: string): Promise<IndexUnderTest & { readonly file: string }> {
  await using opened = new AsyncDisposableStack();
  const file = join(opened.use(await temporaryDirectory()).path, 'index.sqlite');
  let index = openSqliteFile(file, site);
  const cleanup = opened.move();
  return {
    get index() {
      return index;
    },
    file,
    reopen: async () => {
      await index[Symbol.asyncDispose]();
      index = openSqliteFile(file, site);
      return index;
    },
    [Symbol.asyncDispose]: async () => {
      await index[Symbol.asyncDispose]();
      await cleanup.disposeAsync();
    },
  };
}

/** Opens the index in that file; an error of a flush in the background is an uncaught one. */
export function openSqliteFile(file: string, site?: string): SqliteIndex {
  return new SqliteIndex(file, {
    onFlushError: (error) => {
      throw error;
    },
    ...(site !== undefined && { site }),
  });
}
