import { parsedText } from './scalars.ts';

const SITE = /^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$/;

/** This site's name. @param hostname stands in where none is given */
export function siteSchema(hostname: string) {
  return siteName().prefault(siteOf(hostname));
}

/** A site's name: fit for a metric's label, a file and a URL. */
export function siteName() {
  return parsedText(
    (source) => (SITE.test(source) ? source : undefined),
    'a name of a site; use up to 63 letters, digits, dots and dashes, for example eu-west',
  );
}

/** The nearest thing to a host's name that is a site's name. */
export function siteOf(hostname: string): string {
  const cleaned = hostname
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .slice(0, 63)
    .replaceAll(/^[._-]+|[._-]+$/g, '');
  return cleaned === '' ? 'site' : cleaned;
}
