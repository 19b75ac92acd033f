import { readFile } from 'node:fs/promises';
import type { Interval } from '../../util/interval-set.ts';
import { isMissing } from '../content-error.ts';
import { replaceFile } from './durable.ts';
import { fileStats } from './file-stats.ts';

/** What stands beside the pieces of an ingest: which bytes of the file can be trusted to have been written. */
export interface Ledger {
  readonly version: 1;
  readonly totalBytes: number;
  readonly origin: string;
  readonly have: readonly Interval[];
}

/** A ledger larger than this is not ours. */
const MAX_LEDGER_BYTES = 1024 * 1024;

export function writeLedger(path: string, ledger: Ledger): Promise<void> {
  return replaceFile(path, JSON.stringify(ledger));
}

/** Undefined when there is none, or none that can be used: the ingest then starts from nothing. */
export async function readLedger(path: string): Promise<Ledger | undefined> {
  try {
    if (!(await fileStats(path))) return undefined;
    const text = await readFile(path, 'utf8');
    if (text.length > MAX_LEDGER_BYTES) return undefined;
    const value: unknown = JSON.parse(text);
    return isLedger(value) ? value : undefined;
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isLedger(value: unknown): value is Ledger {
  if (typeof value !== 'object' || value === null) return false;
  const { version, totalBytes, origin, have } = value as Partial<Record<keyof Ledger, unknown>>;
  return (
    version === 1 &&
    isPosition(totalBytes) &&
    typeof origin === 'string' &&
    Array.isArray(have) &&
    have.every((entry: unknown) => isInterval(entry, totalBytes))
  );
}

function isInterval(value: unknown, totalBytes: number): value is Interval {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [start, end] = value as unknown[];
  return isPosition(start) && isPosition(end) && start < end && end <= totalBytes;
}

function isPosition(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
