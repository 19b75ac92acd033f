import { sha256 } from '../../support/bytes.ts';
import { indexOf } from './manifests.ts';
import { bytesOf } from './push.ts';
import { type Answer, type Client, send } from './send.ts';

/** Where and when something was changed first. @param minutes from now @param base what the tag pointed at before */
export function change(minutes = 0, base?: string, site = 'us-east'): { 'Entrepot-Origin': string } {
  const more = base === undefined ? '' : `; base=${base}`;
  return { 'Entrepot-Origin': `site=${site}; sequence=7; clock=${Date.now() + minutes * 60_000}.0${more}` };
}

/** An index of nothing, other bytes for each name. */
export function manifestOf(name: string): { mediaType: string } {
  return indexOf([], { annotations: { name } });
}

/** As whoever stores it counts it. */
export function digestOfManifest(content: object): string {
  return sha256(bytesOf(content));
}

/** Brings a manifest by a tag. */
export function replicate(
  client: Client,
  tag: string,
  content: { readonly mediaType: string },
  headers: object,
): Promise<Answer> {
  return send(client, 'PUT', `manifests/${tag}`, {
    body: bytesOf(content),
    headers: { 'Content-Type': content.mediaType, ...headers },
  });
}

/** Deletes a manifest or a tag. */
export function remove(client: Client, reference: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  return send(client, 'DELETE', `manifests/${reference}`, { headers });
}

/** Two manifests that name nothing. */
export const [OURS, THEIRS] = [manifestOf('ours'), manifestOf('theirs')];
