/** A pattern of tags by its form. */
export interface TagPattern {
  /** `glob`: `v1.*`. `semver`: a range of versions as npm has it. `regex`: an expression in RE2's syntax, for the whole tag. */
  readonly form: 'glob' | 'semver' | 'regex';
  readonly text: string;
}

const FORMS = ['semver', 'regex'] as const;

/** Takes a pattern apart: `semver:>=1.2 <2`, `regex:release-\d+`, and everything else a glob. */
export function parseTagPattern(pattern: string): TagPattern {
  const form = FORMS.find((name) => pattern.startsWith(`${name}:`));
  return form === undefined ? { form: 'glob', text: pattern } : { form, text: pattern.slice(form.length + 1).trim() };
}

/** Do the patterns take any tag there may be? */
export function takesAllTags(patterns: readonly string[]): boolean {
  return patterns.some((pattern) => pattern === '*' || pattern === '**');
}
