import * as z from 'zod';
import type { Secret } from '../util/secret.ts';
import { faultOfBearerToken } from './bearer-token.ts';
import type { WebhookConfig } from './config.ts';
import { repositoryGlobInFull } from './globs.ts';
import type { KeyPath } from './key-path.ts';
import { duration, oneOf, parsedText } from './scalars.ts';
import type { SectionReader } from './section-reader.ts';
import { fieldOf, itemsOf, list, map } from './structures.ts';
import { webUrl } from './web-url.ts';

const PATH: KeyPath = ['webhooks'];
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/;

const webhooksSchema = list(z.unknown()).prefault([]);
const webhookSchema = map({
  name: parsedText(
    (source) => (NAME.test(source) ? source : undefined),
    'a name; use up to 63 letters, digits, dots, dashes and underscores',
  ),
  url: webUrl(),
  format: oneOf(['cloudevents', 'distribution']).prefault('cloudevents'),
  events: list(oneOf(['push', 'fill', 'tag', 'untag', 'delete', 'blob']), { min: 1 }).prefault([
    'push',
    'tag',
    'untag',
    'delete',
  ]),
  repositories: list(repositoryGlobInFull(), { min: 1 }).prefault(['**']),
  timeout: duration({ min: '100ms', max: '5m' }).prefault('10s'),
  // SectionReader.secret reads these.
  token: z.unknown().optional(),
  tokenFile: z.unknown().optional(),
  secret: z.unknown().optional(),
  secretFile: z.unknown().optional(),
});

/** The servers that are told what happens, with their secrets read. */
export async function resolveWebhooks(value: unknown, reader: SectionReader): Promise<readonly WebhookConfig[]> {
  reader.read(webhooksSchema, value, PATH);
  const found = await Promise.all(
    itemsOf(value).map((entry, index) => resolveWebhook(entry, [...PATH, index], reader)),
  );
  checkNames(value, reader);
  return found.filter((webhook) => webhook !== undefined);
}

async function resolveWebhook(
  value: unknown,
  path: KeyPath,
  reader: SectionReader,
): Promise<WebhookConfig | undefined> {
  const raw = reader.read(webhookSchema, value, path);
  const token = await resolveToken(value, path, reader);
  const secret = await reader.secret(value, path, 'secret');
  if (raw === undefined) return undefined;
  return {
    name: raw.name,
    url: raw.url,
    format: raw.format,
    events: raw.events,
    repositories: raw.repositories,
    ...(token && { token }),
    ...(secret && { secret }),
    timeoutMs: raw.timeout,
  };
}

async function resolveToken(value: unknown, path: KeyPath, reader: SectionReader): Promise<Secret | undefined> {
  const token = await reader.secret(value, path, 'token');
  const fault = token && faultOfBearerToken(token.reveal());
  if (fault === undefined) return token;
  return reader.refuse([...path, fieldOf(value, 'tokenFile') === undefined ? 'token' : 'tokenFile'], fault);
}

/** Looks at what was written: a mistake elsewhere in an entry hides none of these. */
function checkNames(value: unknown, reader: SectionReader): void {
  const names = itemsOf(value).map((entry) => fieldOf(entry, 'name'));
  for (const [index, name] of names.entries()) {
    if (name === undefined || names.indexOf(name) === index) continue;
    reader.refuse([...PATH, index, 'name'], 'is the name of an earlier webhook too; give this one another');
  }
}
