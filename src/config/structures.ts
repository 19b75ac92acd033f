import * as z from 'zod';
import { nearest } from './nearest.ts';
import { refuse, wrongType } from './scalars.ts';

/** A map of known keys. An empty one (`log:` and nothing below) is as good as none. */
export function map<S extends z.ZodRawShape>(shape: S) {
  const known = Object.keys(shape);
  const error = (issue: { code?: string; keys?: unknown; input?: unknown }) =>
    issue.code === 'unrecognized_keys' && Array.isArray(issue.keys)
      ? issue.keys.map((key) => unknownKey(String(key), known)).join('\n')
      : wrongType(issue.input, 'a map of keys');
  return z.preprocess((value) => (value === null ? {} : value), z.strictObject(shape, { error }));
}

/** A list. An empty one (`pins:` and nothing below) is as good as `[]`. */
export function list<T extends z.ZodType>(item: T, limits: { min?: number } = {}) {
  const items = z
    .array(item, { error: (issue) => wrongType(issue.input, 'a list') })
    .min(limits.min ?? 0, { error: 'is empty; give at least one' });
  return z.preprocess((value) => (value === null ? [] : value), items);
}

/** A list of at least one item; without the brackets if there is only one. */
export function oneOrMore<T extends z.ZodType>(item: T) {
  const items = list(item, { min: 1 });
  return z.unknown().transform((value, ctx): z.output<T>[] => {
    const result = Array.isArray(value) ? items.safeParse(value) : item.transform((only) => [only]).safeParse(value);
    if (result.success) return result.data;
    for (const { message, path } of result.error.issues) refuse(ctx, message, path);
    return z.NEVER;
  });
}

/** What a map has under a key, before any schema looked at it. */
export function fieldOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}

/** The items of a list, before any schema looked at it. */
export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The messages of an issue with unknown keys, in the order of its keys. */
export function unknownKeyMessages(issue: z.core.$ZodIssueUnrecognizedKeys): readonly string[] {
  return issue.message.split('\n');
}

function unknownKey(key: string, known: readonly string[]): string {
  const suggestion = nearest(key, known);
  if (suggestion !== undefined) return `is not a known key; did you mean ${suggestion}?`;
  return `is not a known key; known here: ${known.join(', ')}`;
}
