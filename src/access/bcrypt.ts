import bcrypt from 'bcrypt';

/** 60 ms on a machine of 2023: slow for who guesses, and bearable since a login is remembered. */
const COST = 10;

/** What bcrypt looks at; the rest of a longer password does not count. */
export const MAX_PASSWORD_BYTES = 72;

/** Does the password have this hash? Runs on libuv's threads. */
export type ComparePassword = (password: string, hash: string) => Promise<boolean>;

/**
 * The library knows `$2b$` only. The three are one scheme: `$2y$` is its name in PHP and Apache, and `$2a$` was corrected
 * without a new name everywhere but in OpenBSD.
 */
export const comparePassword: ComparePassword = (password, hash) =>
  bcrypt.compare(password, hash.replace(/^\$2[ay]\$/, '$2b$$'));

/** A new hash of a password. */
export function hashPassword(password: string): Promise<string> {
  return bcrypt.hash(password, COST);
}
