import { GROUP_NAMES } from './policy.ts';

/** Bcrypt hashes by user name. */
export type PasswordHashes = ReadonlyMap<string, string>;

/** What is wrong with a line of a password file. */
export class HtpasswdProblem extends Error {}

const MAX_NAME_LENGTH = 255;
/** The cost stands between the second and the third dollar. 17 is the most that `htpasswd` makes: ten seconds for a login. */
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|1[0-7])\$[./A-Za-z0-9]{53}$/;
const OTHER_SCHEMES: readonly (readonly [prefix: string, name: string])[] = [
  ['$2', 'a bcrypt hash that is cut off or has a cost outside of 4 to 17'],
  ['$apr1$', 'an MD5 hash'],
  ['$1$', 'an MD5 hash'],
  ['{SHA}', 'a SHA-1 hash'],
  ['$5$', 'a SHA-256 hash'],
  ['$6$', 'a SHA-512 hash'],
  ['$argon2', 'an Argon2 hash'],
];

/** Reads Apache's password file: a user's name, a colon and a bcrypt hash on each line. @throws HtpasswdProblem */
export function parseHtpasswd(text: string): PasswordHashes {
  const hashes = new Map<string, string>();
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    // Behind another colon some tools keep a comment.
    const [hash = ''] = line.slice(colon + 1).split(':');
    const problem = colon < 0 ? 'there is no colon behind a name' : (nameProblem(name) ?? hashProblem(hash.trim()));
    if (problem !== undefined) throw new HtpasswdProblem(`line ${index + 1}: ${problem}`);
    if (hashes.has(name)) throw new HtpasswdProblem(`line ${index + 1}: "${name}" has a line already`);
    hashes.set(name, hash.trim());
  }
  return hashes;
}

/** Why nobody can have this name; undefined if somebody can. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'the name is empty';
  if (name.length > MAX_NAME_LENGTH) return `the name has more than ${MAX_NAME_LENGTH} characters`;
  // RFC 7617 section 2: a colon ends the name.
  if (/[\s:\p{Cc}]/u.test(name)) return 'a name has no spaces, colons and control characters';
  if (GROUP_NAMES.has(name)) return `"${name}" means a group in rules, so no user can have this name`;
  return undefined;
}

/** Says nothing of the hash itself: it is a secret. */
function hashProblem(hash: string): string | undefined {
  if (BCRYPT.test(hash)) return undefined;
  const [, scheme] = OTHER_SCHEMES.find(([prefix]) => hash.startsWith(prefix)) ?? ['', 'no bcrypt hash'];
  return `what is behind the name is ${scheme}; only bcrypt is taken: "entrepot hash-password" or "htpasswd -B" makes it`;
}
