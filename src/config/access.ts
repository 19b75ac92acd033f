import * as z from 'zod';
import type { AccessConfig, PolicyRuleConfig } from './config.ts';
import { repositoryGlobInFull } from './globs.ts';
import { oneOf, parsedText, refuse, text } from './scalars.ts';
import type { SectionReader } from './section-reader.ts';
import { list, map, oneOrMore } from './structures.ts';

// A colon separates the name from the password in htpasswd and in Basic.
const PRINCIPAL = /^[^\s:\p{Cc}]+$/u;
const STANDARD_OUTPUT = 'stdout';

const ruleSchema = map({
  who: oneOrMore(principal()),
  may: actions().optional(),
  mayNot: actions().optional(),
  in: list(repositoryGlobInFull(), { min: 1 }),
}).transform(({ may, mayNot, ...rule }, ctx): PolicyRuleConfig => {
  if (!may && !mayNot) return refuse(ctx, 'allows and forbids nothing; give it may or mayNot');
  const doubtful = mayNot?.findIndex((action) => may?.includes(action)) ?? -1;
  if (doubtful !== -1) return refuse(ctx, 'is under may too; keep one of them', ['mayNot', doubtful]);
  return { ...rule, may: may ?? [], mayNot: mayNot ?? [] };
});

const accessSchema = map({
  // SectionReader.file finds it.
  htpasswd: z.unknown().optional(),
  // Without rules no one could do anything.
  policy: list(ruleSchema, { min: 1 }).optional(),
  audit: text().optional(),
});

/** Who may do what, with the files found. Nothing given, or nothing below the key: undefined. */
export async function resolveAccess(value: unknown, reader: SectionReader): Promise<AccessConfig | undefined> {
  if (value === undefined || value === null) return undefined;
  const raw = reader.read(accessSchema, value, ['access']);
  const htpasswdFile = await reader.file(value, ['access'], 'htpasswd');
  const auditFile =
    raw?.audit === STANDARD_OUTPUT ? STANDARD_OUTPUT : await reader.fileToWrite(value, ['access'], 'audit');
  return (
    raw && {
      ...(htpasswdFile !== undefined && { htpasswdFile }),
      ...(raw.policy && { policy: raw.policy }),
      ...(auditFile !== undefined && { auditFile }),
    }
  );
}

function principal() {
  return parsedText(
    (source) => (PRINCIPAL.test(source) ? source : undefined),
    'a name; write a user, authenticated or anonymous',
  );
}

function actions() {
  return list(oneOf(['pull', 'push', 'delete', 'replicate']), { min: 1 });
}
