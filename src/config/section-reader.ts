import { access, constants, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type * as z from 'zod';
import { formatKeyPath, type KeyPath } from './key-path.ts';
import { readTextFile, whyUnreadable } from './read-text-file.ts';
import { faultOfSecret, secretText, text, wrongType } from './scalars.ts';
import { Secret } from '../util/secret.ts';
import { fieldOf, unknownKeyMessages } from './structures.ts';

export interface Refusal {
  readonly path: KeyPath;
  readonly message: string;
}

const SECRET_FILE_LIMIT_BYTES = 64 * 1024;

/**
 * What the readers of all sections share: schema checks, files beside the configuration, and the gathering of
 * everything that is wrong. Nothing here throws for a wrong configuration.
 */
export class SectionReader {
  readonly #folder: string;
  readonly #refusals = new Map<string, Refusal>();

  /** @param folder what relative file names are relative to */
  constructor(folder: string) {
    this.#folder = folder;
  }

  get refusals(): readonly Refusal[] {
    return [...this.#refusals.values()];
  }

  /** Notes a mistake. The first one of each key counts: what follows from it is noise. */
  refuse(path: KeyPath, message: string): undefined {
    const key = formatKeyPath(path);
    if (!this.#refusals.has(key)) this.#refusals.set(key, { path, message });
    return undefined;
  }

  /** The value as its schema gives it; undefined if anything in it was refused, now or earlier. */
  read<T extends z.ZodType>(schema: T, value: unknown, path: KeyPath): z.output<T> | undefined {
    const result = schema.safeParse(value);
    for (const issue of result.error?.issues ?? []) this.#refuseIssue(issue, path);
    return result.success && !this.isRefused(path) ? result.data : undefined;
  }

  /** The entries of a map whose keys are free names. Nothing given: none. */
  entries(value: unknown, path: KeyPath): [name: string, value: unknown][] {
    if (value === undefined || value === null || this.isRefused(path, 'itself')) return [];
    if (typeof value === 'object' && !Array.isArray(value)) return Object.entries(value);
    this.refuse(path, wrongType(value, 'a map of names'));
    return [];
  }

  /** Was this key refused, or one below it? */
  isRefused(path: KeyPath, depth: 'itself' | 'anywhere' = 'anywhere'): boolean {
    if (depth === 'itself') return this.#refusals.has(formatKeyPath(path));
    return this.refusals.some((refusal) => path.every((step, index) => refusal.path[index] === step));
  }

  /** The absolute path of a file or folder. */
  resolvePath(name: string): string {
    return resolve(this.#folder, name);
  }

  /**
   * The absolute path of the readable file that a map names under `key`; undefined if none is named or it is refused.
   * Like {@link secret} it looks at the map as written: what is wrong elsewhere in it hides nothing here.
   */
  async file(section: unknown, path: KeyPath, key: string): Promise<string | undefined> {
    const at = [...path, key];
    const name = this.read(text().optional(), fieldOf(section, key), at);
    if (name === undefined) return undefined;
    const file = this.resolvePath(name);
    try {
      await access(file, constants.R_OK);
      return (await stat(file)).isDirectory() ? this.refuse(at, `names ${file}: it is a directory, not a file`) : file;
    } catch (error) {
      return this.refuse(at, `names ${file}: ${whyUnreadable(error)}`);
    }
  }

  /** The absolute path of the file, there or not, that a map names under `key`; its folder is there. */
  async fileToWrite(section: unknown, path: KeyPath, key: string): Promise<string | undefined> {
    const at = [...path, key];
    const name = this.read(text().optional(), fieldOf(section, key), at);
    if (name === undefined) return undefined;
    const file = this.resolvePath(name);
    const [folder, itself] = await Promise.all([dirname(file), file].map((each) => stat(each).catch(() => undefined)));
    if (itself?.isDirectory()) return this.refuse(at, `names ${file}: it is a directory, not a file`);
    return folder?.isDirectory() ? file : this.refuse(at, `names ${file}: there is no such folder; make it first`);
  }

  /** The secret that a map has under `key`, or in the file under `keyFile`; undefined if neither, or if refused. */
  async secret(section: unknown, path: KeyPath, key: string): Promise<Secret | undefined> {
    const [valueAt, fileAt] = [
      [...path, key],
      [...path, `${key}File`],
    ];
    const value = this.read(secretText().optional(), fieldOf(section, key), valueAt);
    const name = this.read(text().optional(), fieldOf(section, `${key}File`), fileAt);
    if (name === undefined) return value;
    if (fieldOf(section, key) !== undefined) return this.refuse(fileAt, `is given beside ${key}; keep one of them`);

    const file = this.resolvePath(name);
    const content = await readTextFile(file, SECRET_FILE_LIMIT_BYTES);
    if ('problem' in content) return this.refuse(fileAt, `names ${file}: ${content.problem}`);
    const secret = content.text.replace(/\r?\n$/, '');
    const fault = faultOfSecret(secret);
    return fault === undefined ? new Secret(secret) : this.refuse(fileAt, `names ${file}: it ${fault}`);
  }

  #refuseIssue(issue: z.core.$ZodIssue, path: KeyPath): void {
    const at = [...path, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))];
    if (issue.code !== 'unrecognized_keys') {
      this.refuse(at, issue.message);
      return;
    }
    const messages = unknownKeyMessages(issue);
    for (const [index, key] of issue.keys.entries()) this.refuse([...at, key], messages[index] ?? 'is not a known key');
  }
}
