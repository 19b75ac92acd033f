import * as z from 'zod';
import type { AccessConfig } from './config.ts';
import { repositoryGlob } from './globs.ts';
import { oneOf, parsedText } from './scalars.ts';
import type { SectionReader } from './section-reader.ts';
import { list, map } from './structures.ts';

// A colon separates the name from the password in htpasswd and in Basic.
const PRINCIPAL = /^[^\s:\p{Cc}]+$/u;

const ruleSchema = map({
  who: parsedText((source) => (PRINCIPAL.test(source) ? source : undefined), 'a name; write a user or anonymous'),
  may: list(oneOf(['pull', 'push', 'delete']), { min: 1 }),
  in: list(repositoryGlob(), { min: 1 }),
});

const accessSchema = map({
  htpasswd: z.unknown().optional(),
  policy: list(ruleSchema).prefault([]),
});

/** Who may do what, with the password file found. Nothing given, or nothing below the key: undefined. */
export async function resolveAccess(value: unknown, reader: SectionReader): Promise<AccessConfig | undefined> {
  if (value === undefined || value === null) return undefined;
  const raw = reader.read(accessSchema, value, ['access']);
  const htpasswdFile = await reader.file(value, ['access'], 'htpasswd');
  return raw && { ...(htpasswdFile !== undefined && { htpasswdFile }), policy: raw.policy };
}
