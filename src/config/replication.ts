import * as z from 'zod';
import type { ReplicationRule, ReplicationTrigger } from './config.ts';
import { repositoryGlob, tagGlob } from './globs.ts';
import { platform } from './images.ts';
import { flag, parsedText, rate, refuse, text } from './scalars.ts';
import { faultOfSchedule } from './schedule.ts';
import type { SectionReader } from './section-reader.ts';
import { fieldOf, itemsOf, list, map } from './structures.ts';

const NAME_AT_PEER = /^(?:\{repository\}|[a-z0-9._/-])+$/;

const ruleSchema = map({
  name: text(),
  repositories: list(repositoryGlob(), { min: 1 }),
  tags: list(tagGlob(), { min: 1 }).prefault(['*']),
  platforms: list(platform()).prefault([]),
  to: list(text(), { min: 1 }),
  trigger: trigger().prefault('event'),
  as: nameAtPeer().prefault('{repository}'),
  deletes: flag().prefault(false),
  bandwidth: rate().optional(),
});

const replicationSchema = list(ruleSchema).prefault([]);

/** The rules, each of which pushes to peers that are known. */
export function resolveReplication(
  value: unknown,
  peerNames: readonly string[],
  reader: SectionReader,
): readonly ReplicationRule[] {
  const raw = reader.read(replicationSchema, value, ['replication']) ?? [];
  checkNames(value, reader);
  checkPeers(value, peerNames, reader);
  return raw.map(toRule);
}

/** Looks, like {@link checkPeers}, at what was written: a mistake elsewhere in a rule hides none of these. */
function checkNames(value: unknown, reader: SectionReader): void {
  const names = itemsOf(value).map((rule) => fieldOf(rule, 'name'));
  for (const [index, name] of names.entries()) {
    if (name === undefined || names.indexOf(name) === index) continue;
    reader.refuse(['replication', index, 'name'], 'is the name of an earlier rule too; give this one another');
  }
}

function checkPeers(value: unknown, peerNames: readonly string[], reader: SectionReader): void {
  for (const [index, rule] of itemsOf(value).entries()) {
    for (const [position, peer] of itemsOf(fieldOf(rule, 'to')).entries()) {
      if (typeof peer !== 'string' || peerNames.includes(peer)) continue;
      reader.refuse(['replication', index, 'to', position], `is not a peer; ${knownPeers(peerNames)}`);
    }
  }
}

function toRule({ bandwidth, ...rule }: z.output<typeof ruleSchema>): ReplicationRule {
  return { ...rule, ...(bandwidth !== undefined && { bandwidthBytesPerSecond: bandwidth }) };
}

function knownPeers(names: readonly string[]): string {
  return names.length === 0 ? 'name it under peers first' : `write one of ${names.join(', ')}`;
}

function trigger() {
  return z.unknown().transform((value, ctx): ReplicationTrigger => {
    if (value === 'event' || value === 'manual') return { type: value };
    const schedule = scheduleOf(value);
    if (schedule === undefined) return refuse(ctx, 'is not known; write event, manual or {schedule: "0 * * * *"}');
    const fault = faultOfSchedule(schedule);
    return fault === undefined ? { type: 'schedule', schedule } : refuse(ctx, fault, ['schedule']);
  });
}

function scheduleOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Object.keys(value).join() !== 'schedule') return undefined;
  const { schedule } = value as { schedule: unknown };
  return typeof schedule === 'string' ? schedule : undefined;
}

function nameAtPeer() {
  return parsedText(
    (source) => (NAME_AT_PEER.test(source) ? source : undefined),
    'a name at the peer; write for example mirror/{repository}',
  );
}
