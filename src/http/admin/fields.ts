import { OperationError } from '../../registry/operations/operation-error.ts';

/** Reads a field. @param name for messages @throws OperationError `INVALID`, which says what would be right */
export type Reader<T> = (value: unknown, name: string) => T;

/** A reader for each field that may be given. */
export type Readers = Readonly<Record<string, Reader<unknown>>>;
type MayLack<R extends Readers, Name extends keyof R> = undefined extends ReturnType<R[Name]> ? Name : never;
/** What was read; fields that need not be given and were not are absent. */
export type FieldsOf<R extends Readers> = {
  readonly [Name in keyof R as Exclude<Name, MayLack<R, Name>>]: ReturnType<R[Name]>;
} & { readonly [Name in keyof R as MayLack<R, Name>]?: Exclude<ReturnType<R[Name]>, undefined> };

/** Long enough for any image with a sha512 digest. */
const MAX_TEXT_LENGTH = 512;
const CONTROL_CHARACTER = /\p{Cc}/u;

/** Reads the fields of a JSON object; what has no reader is refused. @throws OperationError `INVALID` */
export function readFields<R extends Readers>(value: unknown, readers: R): FieldsOf<R> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`the body must be a JSON object, not ${describe(value)}`);
  }
  const given = value as Readonly<Record<string, unknown>>;
  const names = Object.keys(readers);
  for (const name of Object.keys(given)) if (!Object.hasOwn(readers, name)) throw unknownField(name, names);
  const read = Object.entries(readers).map(([name, reader]) => {
    return [name, reader(Object.hasOwn(given, name) ? given[name] : undefined, name)] as const;
  });
  return Object.fromEntries(read.filter(([, field]) => field !== undefined)) as FieldsOf<R>;
}

/** Reads the parameters of a URL, all of them text; what has no reader is refused. @throws OperationError `INVALID` */
export function readQuery<R extends Readers>(query: URLSearchParams, readers: R): FieldsOf<R> {
  for (const name of query.keys()) if (query.getAll(name).length > 1) throw invalid(`${quote(name)} is given twice`);
  return readFields(Object.fromEntries(query), readers);
}

/** A name or a pattern. */
export const text: Reader<string> = (value, name) => {
  if (typeof value !== 'string') throw wrongType(value, name, 'text');
  if (value === '') throw invalid(`${quote(name)} is empty`);
  if (value.length > MAX_TEXT_LENGTH) throw invalid(`${quote(name)} has more than ${MAX_TEXT_LENGTH} characters`);
  if (CONTROL_CHARACTER.test(value)) throw invalid(`${quote(name)} holds a control character`);
  return value;
};

/** A list of names. */
export const texts: Reader<readonly string[]> = (value, name) => {
  if (!Array.isArray(value)) throw wrongType(value, name, 'a list of texts');
  return value.map((entry: unknown, index) => text(entry, `${name}[${index}]`));
};

export const flag: Reader<boolean> = (value, name) => {
  if (typeof value !== 'boolean') throw wrongType(value, name, 'true or false');
  return value;
};

/** A whole number in JSON. */
export function count(min: number, max: number): Reader<number> {
  return (value, name) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    throw wrongType(value, name, `a whole number from ${min} to ${max}`);
  };
}

/** A whole number in a URL. */
export function countText(min: number, max: number): Reader<number> {
  const read = count(min, max);
  return (value, name) => read(typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value, name);
}

/** What need not be given. */
export function optional<T>(read: Reader<T>): Reader<T | undefined> {
  return (value, name) => (value === undefined ? undefined : read(value, name));
}

/** What need not be given and is this then. */
export function otherwise<T>(fallback: T, read: Reader<T>): Reader<T> {
  return (value, name) => (value === undefined ? fallback : read(value, name));
}

/** For what is asked wrongly. */
export function invalid(message: string): OperationError {
  return new OperationError('INVALID', message);
}

function unknownField(name: string, names: readonly string[]): OperationError {
  const known = new Intl.ListFormat('en').format(names.map(quote));
  return invalid(`${quote(name)} is not known here; ${names.length === 0 ? 'nothing is' : `${known} may be given`}`);
}

function wrongType(value: unknown, name: string, wanted: string): OperationError {
  if (value === undefined) return invalid(`${quote(name)} is missing; it must be ${wanted}`);
  return invalid(`${quote(name)} must be ${wanted}, not ${describe(value)}`);
}

function quote(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}...` : name);
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return 'text';
  return JSON.stringify(value);
}
