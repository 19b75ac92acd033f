import type { UploadOwner } from './upload-session.ts';

const VERSION = 1;

/** Whose an upload is, as the store keeps it beside its bytes. */
export function uploadNote({ repository, principal }: UploadOwner): string {
  return JSON.stringify({ version: VERSION, repository, principal });
}

/** Undefined for what no version of this program wrote. */
export function parseUploadNote(note: string): UploadOwner | undefined {
  let value: unknown;
  try {
    value = JSON.parse(note);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { version, repository, principal } = value as Record<string, unknown>;
  if (version !== VERSION || typeof repository !== 'string' || typeof principal !== 'string') return undefined;
  return { repository, principal };
}
