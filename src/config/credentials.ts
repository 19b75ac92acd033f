import * as z from 'zod';
import type { CredentialsConfig } from './config.ts';
import type { KeyPath } from './key-path.ts';
import { refuse, wrongType } from './scalars.ts';
import type { SectionReader } from './section-reader.ts';
import { map } from './structures.ts';

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

/** Not shown when it is wrong: people write `name:password` there. */
function userName() {
  return z.unknown().transform((value, ctx) => {
    if (typeof value !== 'string') return refuse(ctx, wrongType(value, 'text'));
    return USERNAME.test(value)
      ? value
      : refuse(ctx, 'is not a user name: it is empty, or has a colon or a line break in it');
  });
}
