import { RE2JS, RE2JSSyntaxException } from 're2js';
import { Range } from 'semver';
import * as z from 'zod';
import { parseTagPattern } from '../oci/tag-pattern.ts';
import { TAG_GLOB } from './globs.ts';
import { quote, refuse, wrongType } from './scalars.ts';

const MAX_LENGTH = 512;
const FORMS = String.raw`write for example "v1.*", "semver:>=1.2 <2" or 'regex:release-\d+'`;

/** A pattern of tags: a glob, a range of versions or an expression. */
export function tagPattern() {
  return z.unknown().transform((value, ctx) => {
    if (typeof value !== 'string') return refuse(ctx, wrongType(value, `a pattern of tags; ${FORMS}`));
    const fault = faultOfPattern(value);
    return fault === undefined ? value : refuse(ctx, `${quote(value)} ${fault}; ${FORMS}`);
  });
}

function faultOfPattern(pattern: string): string | undefined {
  if (pattern.length > MAX_LENGTH) return `is longer than ${MAX_LENGTH} characters`;
  const { form, text } = parseTagPattern(pattern);
  // For semver it would mean every version, for an expression no tag at all.
  if (text === '') return 'says nothing';
  switch (form) {
    case 'glob':
      return TAG_GLOB.test(text) ? undefined : 'is no pattern of tags';
    case 'semver':
      return isRange(text) ? undefined : 'has a range that is none';
    case 'regex':
      return faultOfExpression(text);
  }
}

function isRange(text: string): boolean {
  try {
    return new Range(text).raw !== '';
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

function faultOfExpression(text: string): string | undefined {
  try {
    RE2JS.compile(text);
    return undefined;
  } catch (error) {
    if (error instanceof RE2JSSyntaxException) return `has an expression that is none: ${error.message}`;
    throw error;
  }
}
