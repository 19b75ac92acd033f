import { RE2JS } from 're2js';
import { Range, SemVer } from 'semver';
import { compileGlob, type Matches } from '../oci/glob.ts';
import { parseTagPattern } from '../oci/tag-pattern.ts';

/**
 * Tags that any of the patterns takes (see oci/tag-pattern.ts). A range takes `1.5.0` and `v1.5`, but no pre-releases unless
 * it names one. Matching takes time in proportion to the tag, whatever the pattern: tags come from clients.
 * @throws Error for a range or an expression that is none: the configuration has none
 */
export function compileTagFilter(patterns: readonly string[]): Matches {
  const compiled = patterns.map(compilePattern);
  return (tag) => compiled.some((matches) => matches(tag));
}

function compilePattern(pattern: string): Matches {
  const { form, text } = parseTagPattern(pattern);
  if (form === 'glob') return compileGlob(text);
  if (form === 'semver') return compileRange(text);
  const expression = RE2JS.compile(text);
  return (tag) => expression.matches(tag);
}

function compileRange(text: string): Matches {
  const range = new Range(text);
  return (tag) => {
    const version = versionOf(tag);
    return version !== undefined && range.test(version);
  };
}

/** `v1`, `1.2` and `1.2.3-rc.1` as full versions. */
function versionOf(tag: string): SemVer | undefined {
  const [, core, rest] = /^v?(\d{1,15}(?:\.\d{1,15}){0,2})(-[0-9A-Za-z.-]+)?$/.exec(tag) ?? [];
  if (core === undefined) return undefined;
  const missing = 3 - core.split('.').length;
  try {
    return new SemVer(core + '.0'.repeat(missing) + (rest ?? ''));
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
