import type { HybridTime } from './hybrid-clock.ts';

/**
 * Request header: which change of another site a request repeats. Answer header, to who replicates: which change set the tag
 * that was asked for.
 */
export const ORIGIN_HEADER = 'Entrepot-Origin';
/** Answer header: a tag stayed, for it was changed later; what it points at, or {@link KEPT_DELETED}. */
export const KEPT_HEADER = 'Entrepot-Kept';
/** The tag stays deleted. */
export const KEPT_DELETED = 'deleted';
/** Answer header: the name of the site that answers. */
export const SITE_HEADER = 'Entrepot-Site';

/** A site's name; also a safe label, file name and part of a URL. */
const SITE = /^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$/;

/** How `Entrepot-Origin` looks, for messages. */
export const ORIGIN_EXAMPLE = 'site=eu-west; sequence=42; clock=1764425000123.0; base=sha256:<hex>';

/** A change of a tag at another site. */
export interface ReplicationHeader {
  readonly site: string;
  /** The number of the event there. */
  readonly sequence: number;
  readonly clock: HybridTime;
  /** What the tag pointed at before; undefined: nothing. */
  readonly base?: string | undefined;
}

const PARAMETER = /^[ \t]*([a-z]+)=([^ \t]+)[ \t]*$/;
const SEQUENCE = /^\d{1,15}$/;
const CLOCK = /^(\d{1,15})\.(\d{1,10})$/;
/** A digest, whatever its algorithm. */
const BASE = /^[a-z0-9+._-]{1,32}:[a-zA-Z0-9=_-]{1,256}$/;
const NAMES: ReadonlySet<string> = new Set(['site', 'sequence', 'clock', 'base']);
/** More than all of it together at its longest. */
const MAX_LENGTH = 512;

/** The value of `Entrepot-Origin`. */
export function formatOrigin({ site, sequence, clock, base }: ReplicationHeader): string {
  const common = `site=${site}; sequence=${sequence}; clock=${clock.ms}.${clock.count}`;
  return base === undefined ? common : `${common}; base=${base}`;
}

/** Undefined if anything is wrong with it: a parameter that is missing, stands there twice or is not known included. */
export function parseOrigin(text: string): ReplicationHeader | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const values = new Map<string, string>();
  for (const part of text.split(';')) {
    const [, name, value] = PARAMETER.exec(part) ?? [];
    if (name === undefined || value === undefined || !NAMES.has(name) || values.has(name)) return undefined;
    values.set(name, value);
  }
  const [site, sequence = '', base] = [values.get('site'), values.get('sequence'), values.get('base')];
  const [, ms, count] = CLOCK.exec(values.get('clock') ?? '') ?? [];
  if (site === undefined || !SITE.test(site) || !SEQUENCE.test(sequence)) return undefined;
  if (ms === undefined || count === undefined || (base !== undefined && !BASE.test(base))) return undefined;
  const clock = { ms: Number(ms), count: Number(count) };
  return { site, sequence: Number(sequence), clock, ...(base !== undefined && { base }) };
}
