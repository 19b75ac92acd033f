import * as z from 'zod';
import type { PeerConfig } from './config.ts';
import { resolveCredentials } from './credentials.ts';
import type { SectionReader } from './section-reader.ts';
import { fieldOf, map } from './structures.ts';
import { rootUrl } from './web-url.ts';

const PEER_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,62})$/;

const peerSchema = map({ url: rootUrl(), credentials: z.unknown().optional() });

/** The sites and registries that rules of replication may push to. */
export async function resolvePeers(value: unknown, reader: SectionReader): Promise<readonly PeerConfig[]> {
  const entries = reader.entries(value, ['peers']);
  const peers = await Promise.all(entries.map(([name, entry]) => resolvePeer(name, entry, reader)));
  return peers.filter((peer) => peer !== undefined);
}

async function resolvePeer(name: string, value: unknown, reader: SectionReader): Promise<PeerConfig | undefined> {
  const path = ['peers', name];
  if (!PEER_NAME.test(name)) reader.refuse(path, 'is not a name; use letters, digits, dots, dashes and underscores');
  const raw = reader.read(peerSchema, value, path);
  const credentials = await resolveCredentials(fieldOf(value, 'credentials'), [...path, 'credentials'], reader);
  return raw && { name, url: raw.url, ...(credentials && { credentials }) };
}
