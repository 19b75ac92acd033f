import type { UpstreamResponse } from './exchange.ts';
import { parseJsonObject } from './json-object.ts';
import { readStart } from './read-body.ts';
import { UpstreamError } from './upstream-error.ts';

/** What a registry says of why it refuses something. */
export interface ErrorReason {
  /** Its first code, such as `MANIFEST_BLOB_UNKNOWN`; undefined where it tells none. */
  readonly code: string | undefined;
  /** For people, in one line; empty where it tells nothing. */
  readonly text: string;
}

const NO_REASON: ErrorReason = { code: undefined, text: '' };
const MAX_BODY_BYTES = 16 * 1024;
const MAX_ERRORS = 3;
const MAX_TEXT = 300;
/** distribution-spec, "Error Codes": upper case and underscores; some registries have codes with digits. */
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu;

/** Reads what comes with an error, a bounded part of it. That there is nothing to read is no error. */
export async function readReason(response: UpstreamResponse): Promise<ErrorReason> {
  try {
    return parseReason(await readStart(response, MAX_BODY_BYTES));
  } catch (error) {
    if (error instanceof UpstreamError) return NO_REASON;
    throw error;
  }
}

/** The errors of the distribution-spec's JSON, otherwise the text unless it is a web page. */
export function parseReason(body: string): ErrorReason {
  const errors = parseJsonObject(Buffer.from(body))?.['errors'];
  if (!Array.isArray(errors)) return /^\s*[<{[]/.test(body) ? NO_REASON : { code: undefined, text: inOneLine(body) };
  const told = errors.flatMap((error) => describe(error) ?? []);
  const texts = new Set(told.slice(0, MAX_ERRORS).map(({ text }) => text));
  return { code: told.find(({ code }) => code !== undefined)?.code, text: [...texts].join('; ') };
}

function describe(error: unknown): ErrorReason | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const known = typeof code === 'string' && CODE.test(code) ? code : undefined;
  const text = typeof message === 'string' ? inOneLine(message) : '';
  const parts = [known, text].filter((part) => part !== undefined && part !== '');
  return parts.length === 0 ? undefined : { code: known, text: parts.join(': ') };
}

function inOneLine(text: string): string {
  return text.slice(0, MAX_BODY_BYTES).replaceAll(UNPRINTABLE, ' ').trim().slice(0, MAX_TEXT);
}
