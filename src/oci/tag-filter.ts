import { RE2JS, RE2JSSyntaxException } from 're2js';
import { Range, SemVer } from 'semver';
import { compileGlob, type Matches } from './glob.ts';

const SEMVER = 'semver:';
const REGEX = 'regex:';
const TAG_GLOB = /^[a-zA-Z0-9._*-]{1,128}$/;
const MAX_LENGTH = 512;

/** A pattern of tags that is none. Its message completes "the pattern ...". */
export class TagPatternError extends Error {
  override readonly name = 'TagPatternError';
}

/**
 * Tags that any of the patterns takes: a glob `v1.*`; `semver:` and a range as npm has it, `semver:>=1.2 <2`, which takes
 * `1.5.0` and `v1.5` but no pre-releases unless the range names one; `regex:` and an expression in RE2's syntax that the
 * whole tag has to match. Matching takes time in proportion to the tag, whatever the pattern: tags come from clients.
 * @throws TagPatternError
 */
export function compileTagFilter(patterns: readonly string[]): Matches {
  const compiled = patterns.map(compileTagPattern);
  return (tag) => compiled.some((matches) => matches(tag));
}

/** Do the patterns take any tag there may be? */
export function takesAllTags(patterns: readonly string[]): boolean {
  return patterns.some((pattern) => pattern === '*' || pattern === '**');
}

function compileTagPattern(pattern: string): Matches {
  if (pattern.length > MAX_LENGTH) throw new TagPatternError(`is longer than ${MAX_LENGTH} characters`);
  if (pattern.startsWith(SEMVER)) return compileRange(pattern.slice(SEMVER.length).trim());
  if (pattern.startsWith(REGEX)) return compileExpression(pattern.slice(REGEX.length));
  if (!TAG_GLOB.test(pattern)) throw new TagPatternError('is no pattern of tags');
  return compileGlob(pattern);
}

function compileRange(text: string): Matches {
  let range: Range;
  try {
    range = new Range(text);
  } catch (cause) {
    throw new TagPatternError('has a range that is none', { cause });
  }
  return (tag) => {
    const version = versionOf(tag);
    return version !== undefined && range.test(version);
  };
}

/** `v1`, `1.2` and `1.2.3-rc.1` as full versions. Tags have no `+`: a build stands behind `_` or is not told. */
function versionOf(tag: string): SemVer | undefined {
  const [, core, rest] = /^v?(\d{1,15}(?:\.\d{1,15}){0,2})(-[0-9A-Za-z.-]+)?$/.exec(tag) ?? [];
  if (core === undefined) return undefined;
  const missing = 2 - core.split('.').length + 1;
  try {
    return new SemVer(core + '.0'.repeat(missing) + (rest ?? ''));
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function compileExpression(text: string): Matches {
  let expression: RE2JS;
  try {
    expression = RE2JS.compile(text);
  } catch (cause) {
    if (!(cause instanceof RE2JSSyntaxException)) throw cause;
    throw new TagPatternError(`has an expression that is none: ${cause.message}`, { cause });
  }
  return (tag) => expression.matches(tag);
}
