import * as z from 'zod';
import { Secret } from '../util/secret.ts';
import { parseDuration } from './duration.ts';
import { parsePercentage } from './percentage.ts';
import { parseRate } from './rate.ts';
import { parseSize } from './size.ts';

const MAX_QUOTED_LENGTH = 60;
// RFC 7617 section 2: user-id and password hold no control characters; no token of ours does either.
const CONTROL_CHARACTER = /\p{Cc}/u;

/** Text that says something. */
export function text() {
  return z.unknown().transform((value, ctx) => {
    if (typeof value !== 'string') return refuse(ctx, wrongType(value, 'text'));
    return value === '' ? refuse(ctx, 'is empty') : value;
  });
}

/** Text with a form of its own. @param form completes "... is not": `a size; write for example 100GiB` */
export function parsedText<T>(parse: (text: string) => T | undefined, form: string) {
  return z.unknown().transform((value, ctx) => {
    // YAML reads 0 and 4096 as numbers, where durations and sizes are meant too.
    const source = typeof value === 'number' ? String(value) : value;
    if (typeof source !== 'string') return refuse(ctx, wrongType(value, form));
    return parse(source) ?? refuse(ctx, `${quote(source)} is not ${form}`);
  });
}

/** Text of one of a few values. */
export function oneOf<const T extends string>(values: readonly [T, ...T[]]) {
  return parsedText((source) => values.find((value) => value === source), `known; write ${either(values)}`);
}

/** A password or token: no message ever shows what was given. */
export function secretText() {
  return z.unknown().transform((value, ctx) => {
    if (typeof value !== 'string') return refuse(ctx, wrongType(value, 'text'));
    const fault = faultOfSecret(value);
    return fault === undefined ? new Secret(value) : refuse(ctx, fault);
  });
}

/** What makes a text unfit to be a secret. */
export function faultOfSecret(value: string): string | undefined {
  if (value === '') return 'is empty';
  return CONTROL_CHARACTER.test(value) ? 'holds a line break or another control character' : undefined;
}

/** `true` or `false`, also as text, which is what `${VARIABLE}` gives. */
export function flag() {
  return z.unknown().transform((value, ctx) => {
    if (value === true || value === 'true') return true;
    if (value === false || value === 'false') return false;
    return refuse(ctx, wrongType(value, 'true or false'));
  });
}

/** A whole number, also as text, which is what `${VARIABLE}` gives. */
export function count(min: number, max: number) {
  const form = `a whole number from ${min} to ${max}`;
  return parsedText((source) => inRange(/^\d+$/.test(source) ? Number(source) : undefined, min, max), form);
}

/** A duration in milliseconds. The limits are durations too; `forever` as the upper one allows Infinity. */
export function duration(limits: { min?: string; max: string }) {
  const example = limits.max === 'forever' ? '5m, 30s, 1h30m or forever' : '5m, 30s or 1h30m';
  return measured(parseDuration, { min: '0', ...limits }, `a duration; write for example ${example}`);
}

/** How often: a duration in milliseconds; `never`, also written `off` or `forever`, is Infinity. */
export function interval(limits: { min: string }) {
  const parse = (source: string) => (source === 'never' || source === 'off' ? Infinity : parseDuration(source));
  return measured(parse, { ...limits, max: 'forever' }, 'a duration; write for example 7d, 12h or never');
}

/** A size in bytes. The limits are sizes too. */
export function size(limits: { min?: string; max?: string } = {}) {
  return measured(parseSize, { min: '0', max: '4096TiB', ...limits }, 'a size; write for example 100GiB, 512MiB or 0');
}

/** Bytes per second. */
export function rate() {
  return measured(parseRate, { min: '1KiB/s', max: '4096TiB/s' }, 'a rate; write for example 50MiB/s');
}

/** A part of a whole: 0 to 1. The lower limit is one too. */
export function percentage(limits: { min?: string } = {}) {
  return measured(parsePercentage, { min: '0%', ...limits, max: '100%' }, 'a percentage; write for example 10% or 0.1');
}

/** Ends a transform with a message. @param path below the value, where the mistake is */
export function refuse(ctx: z.RefinementCtx, message: string, path: PropertyKey[] = []): never {
  ctx.addIssue({ code: 'custom', message, path });
  return z.NEVER;
}

/** Says what a value is instead of what it should be, without showing it. */
export function wrongType(value: unknown, wanted: string): string {
  if (value === undefined) return `is missing; it must be ${wanted}`;
  if (value === null) return `has no value; give it one or remove the key`;
  const hint = wanted === 'text' && typeof value !== 'object' ? '; put it in quotes' : '';
  return `must be ${wanted}, not ${describeType(value)}${hint}`;
}

/** Text from a configuration, fit for one line of a message. */
export function quote(source: string): string {
  return JSON.stringify(source.length > MAX_QUOTED_LENGTH ? `${source.slice(0, MAX_QUOTED_LENGTH)}...` : source);
}

function measured(parse: (text: string) => number | undefined, limits: { min: string; max: string }, form: string) {
  const [min, max] = [parse(limits.min) ?? 0, parse(limits.max) ?? Infinity];
  return parsedText(parse, form).transform((value, ctx) => {
    if (inRange(value, min, max) !== undefined) return value;
    return refuse(ctx, `must be from ${limits.min} to ${limits.max}`);
  });
}

function inRange(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

function either(values: readonly string[]): string {
  return new Intl.ListFormat('en', { type: 'disjunction' }).format(values);
}

function describeType(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number' || typeof value === 'bigint') return 'a number';
  if (typeof value === 'boolean') return 'true or false';
  return 'a map of keys';
}
