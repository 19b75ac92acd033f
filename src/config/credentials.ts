import * as z from 'zod';
import type { CredentialsConfig } from './config.ts';
import type { KeyPath } from './key-path.ts';
import { refuse, wrongType } from './scalars.ts';
import type { SectionReader } from './section-reader.ts';
import { fieldOf, map } from './structures.ts';

// RFC 7617 section 2: a user-id with a colon would be cut there.
const USERNAME = /^[^:\p{Cc}]+$/u;

const credentialsSchema = map({
  username: userName().optional(),
  // SectionReader.secret reads these.
  password: z.unknown().optional(),
  passwordFile: z.unknown().optional(),
  identityToken: z.unknown().optional(),
  identityTokenFile: z.unknown().optional(),
});

/** Credentials that share the load: a list of maps, or one map. What is refused is left out. */
export async function resolveAllCredentials(
  value: unknown,
  path: KeyPath,
  reader: SectionReader,
): Promise<readonly CredentialsConfig[]> {
  if (!Array.isArray(value)) {
    const only = await resolveCredentials(value, path, reader);
    return only ? [only] : [];
  }
  const items: readonly unknown[] = value;
  const found = await Promise.all(items.map((item, index) => resolveCredentials(item, [...path, index], reader)));
  checkUsernames(items, path, reader);
  return found.filter((credentials) => credentials !== undefined);
}

/** Credentials with their secret read; undefined if there are none, or what is given was refused. */
export async function resolveCredentials(
  value: unknown,
  path: KeyPath,
  reader: SectionReader,
): Promise<CredentialsConfig | undefined> {
  if (value === undefined) return undefined;
  const raw = reader.read(credentialsSchema, value, path);
  const password = await reader.secret(value, path, 'password');
  const token = await reader.secret(value, path, 'identityToken');
  if (raw === undefined || reader.isRefused(path)) return undefined;

  const { username } = raw;
  if (username !== undefined && password && !token) return { type: 'basic', username, password };
  if (username === undefined && !password && token) return { type: 'identityToken', token };
  const choices = 'username and password (or passwordFile), or else identityToken (or identityTokenFile) alone';
  return reader.refuse(path, `does not say how to log in; give ${choices}`);
}

/** Looks at what was written: a mistake elsewhere in an entry hides none of these. */
function checkUsernames(items: readonly unknown[], path: KeyPath, reader: SectionReader): void {
  const names = items.map((item) => fieldOf(item, 'username'));
  for (const [index, name] of names.entries()) {
    if (name === undefined || names.indexOf(name) === index) continue;
    reader.refuse([...path, index, 'username'], 'is the user of an earlier entry too; keep one of them');
  }
}

/** Not shown when it is wrong: people write `name:password` there. */
function userName() {
  return z.unknown().transform((value, ctx) => {
    if (typeof value !== 'string') return refuse(ctx, wrongType(value, 'text'));
    return USERNAME.test(value)
      ? value
      : refuse(ctx, 'is not a user name: it is empty, or has a colon or a line break in it');
  });
}
