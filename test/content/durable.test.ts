import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeFolderDurably } from '../../src/content/disk/durable.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

describe('a folder with those above it', () => {
  test('is made, and stays as it is when it is there', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'a', 'b', 'c');
    await makeFolderDurably(path);
    await writeFile(join(path, 'file'), 'x');
    await makeFolderDurably(path);
    expect((await stat(join(path, 'file'))).size).toBe(1);
  });

  test('cannot be made below a file', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'file');
    await writeFile(file, '');
    await expect(makeFolderDurably(join(file, 'a', 'b'))).rejects.toMatchObject({ code: 'EEXIST', path: file });
    await expect(makeFolderDurably(file)).rejects.toMatchObject({ code: 'EEXIST' });
  });

  test('cannot be made where the system takes no folders, which is told at once', async () => {
    await expect(makeFolderDurably('/proc/entrepot/data')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
