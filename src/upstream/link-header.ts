const LINK = /<([^>]*)>([^<]*)/g;
const REL_NEXT = /;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\s*(?:[;,]|$))/i;
const MAX_LENGTH = 8 * 1024;

/** The target of the link with `rel="next"` (RFC 8288; distribution-spec, "Listing tags"), as it stands there. */
export function nextLinkOf(header: string | readonly string[] | undefined): string | undefined {
  const text = [header ?? []].flat().join(', ').slice(0, MAX_LENGTH);
  for (const [, target, parameters] of text.matchAll(LINK)) {
    if (target !== undefined && REL_NEXT.test(parameters ?? '')) return target.trim();
  }
  return undefined;
}
