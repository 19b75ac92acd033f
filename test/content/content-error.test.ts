import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { describe, expect, test } from 'vitest';
import { ContentError, isShortage, toContentError } from '../../src/content/content-error.ts';

type ErrorName = keyof typeof constants.errno;

/** An error as Node's file system gives it. */
function systemError(name: ErrorName): NodeJS.ErrnoException {
  const errno = -constants.errno[name];
  return Object.assign(new Error(`${name}: it failed`), { errno, code: getSystemErrorName(errno) });
}

describe('an error of the file system', () => {
  test.each<[ErrorName, string]>([
    ['ENOSPC', 'STORE_FULL'],
    ['EDQUOT', 'STORE_FULL'],
    ['EFBIG', 'STORE_FULL'],
    ['EROFS', 'STORE_READ_ONLY'],
    ['EACCES', 'STORE_READ_ONLY'],
    ['EPERM', 'STORE_READ_ONLY'],
    ['EIO', 'STORE_FAILED'],
    ['EISDIR', 'STORE_FAILED'],
    ['EMFILE', 'STORE_FAILED'],
    ['ESTALE', 'STORE_FAILED'],
  ])('%s is %s', (name, code) => {
    const cause = systemError(name);
    const error = toContentError(cause, 'cannot store it');
    expect(error).toMatchObject({ code, cause });
    expect(error.message).toMatch(/^cannot store it: /);
  });

  test('stays as it is when it was translated before', () => {
    const error = new ContentError('STORE_FULL', 'no room');
    expect(toContentError(error, 'cannot store it')).toBe(error);
  });

  test.each<[ErrorName, boolean]>([
    ['EMFILE', true],
    ['ENFILE', true],
    ['ENOMEM', true],
    ['EIO', false],
    ['EISDIR', false],
    ['ENOENT', false],
  ])('%s says nothing about the file: %s', (name, expected) => {
    expect(isShortage(systemError(name))).toBe(expected);
  });

  test('may be no error of the file system at all', () => {
    expect(isShortage(undefined)).toBe(false);
    expect(toContentError(new Error('no number'), 'cannot store it')).toMatchObject({ code: 'STORE_FAILED' });
  });
});
