import * as z from 'zod';
import { isRepositoryPath } from '../oci/repository.ts';
import type { ReplicationRuleConfig, ReplicationTrigger } from './config.ts';
import { repositoryGlobInFull } from './globs.ts';
import { platform } from './images.ts';
import { checkPeerNames } from './peers.ts';
import { count, duration, flag, parsedText, percentage, rate, refuse, text, wrongType } from './scalars.ts';
import { faultOfSchedule } from './schedule.ts';
import type { SectionReader } from './section-reader.ts';
import { fieldOf, itemsOf, list, map } from './structures.ts';
import { tagPattern } from './tag-patterns.ts';
import { timeWindows } from './time-window.ts';

const RULE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,62})$/;
const NAME_HERE = '{repository}';

const ARTIFACT_TYPE = /^[a-zA-Z0-9.*_+/-]{1,255}$/;
const CHECK_DAILY = '30 4 * * *';
const MAX_PRIORITY = 1000;

const ruleSchema = map({
  name: ruleName(),
  repositories: list(repositoryGlobInFull(), { min: 1 }),
  tags: list(tagPattern(), { min: 1 }).prefault(['*']),
  platforms: list(platform()).prefault([]),
  artifactTypes: list(artifactType()).prefault([]),
  to: list(text(), { min: 1 }),
  trigger: trigger().prefault('event'),
  as: nameAtPeer().prefault(NAME_HERE),
  deletes: flag().prefault(false),
  grace: duration({ max: '36500d' }).prefault('1h'),
  maxDelete: percentage().prefault('10%'),
  priority: count(0, MAX_PRIORITY).prefault(0),
  bandwidth: rate().optional(),
  only: timeWindows(),
  fetch: flag().prefault(false),
  check: check().prefault(CHECK_DAILY),
});

const replicationSchema = list(ruleSchema).prefault([]);

/** The rules, each of which pushes to peers that are known. */
export function resolveReplication(
  value: unknown,
  peerNames: readonly string[],
  reader: SectionReader,
): readonly ReplicationRuleConfig[] {
  const raw = reader.read(replicationSchema, value, ['replication']) ?? [];
  checkNames(value, reader);
  checkPeers(value, peerNames, reader);
  checkNamesAtPeers(value, reader);
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
    checkPeerNames(itemsOf(fieldOf(rule, 'to')), ['replication', index, 'to'], { known: peerNames, reader });
  }
}

/** Tags of several repositories would take each other's place. */
function checkNamesAtPeers(value: unknown, reader: SectionReader): void {
  for (const [index, rule] of itemsOf(value).entries()) {
    const [name, patterns] = [fieldOf(rule, 'as'), itemsOf(fieldOf(rule, 'repositories'))];
    if (typeof name !== 'string' || !isNameAtPeer(name) || name.includes(NAME_HERE)) continue;
    if (patterns.length === 1 && !String(patterns[0]).includes('*')) continue;
    const message = `would be the name of several repositories; write for example ${name}/${NAME_HERE}`;
    reader.refuse(['replication', index, 'as'], message);
  }
}

function toRule({ bandwidth, grace, ...rule }: z.output<typeof ruleSchema>): ReplicationRuleConfig {
  return { ...rule, graceMs: grace, ...(bandwidth !== undefined && { bandwidthBytesPerSecond: bandwidth }) };
}

/** It is a label of metrics, and a part of commands. */
function ruleName() {
  return parsedText(
    (source) => (RULE_NAME.test(source) ? source : undefined),
    'a name; use letters, digits, dots, dashes and underscores',
  );
}

function artifactType() {
  return parsedText(
    (source) => (ARTIFACT_TYPE.test(source) ? source : undefined),
    'a pattern of artifact types; write for example "image" or "application/vnd.cncf.helm.*"',
  );
}

/** When both sides are compared. */
function check() {
  return z.unknown().transform((value, ctx): string | undefined => {
    if (value === 'never') return undefined;
    if (typeof value !== 'string')
      return refuse(ctx, wrongType(value, 'a schedule; write for example "30 4 * * *" or never'));
    const fault = faultOfSchedule(value);
    return fault === undefined ? value : refuse(ctx, `${fault}, or never`);
  });
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
    (source) => (isNameAtPeer(source) ? source : undefined),
    `a name at the peer; write for example mirror/${NAME_HERE}`,
  );
}

function isNameAtPeer(source: string): boolean {
  return isRepositoryPath(source.replaceAll(NAME_HERE, 'docker.io/library/alpine'));
}
