import { readdir, readFile } from 'node:fs/promises';
import { join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SOURCE = fileURLToPath(new URL('../src', import.meta.url));

/** Where the parts are put together: it may import every part. */
const COMPOSITION_ROOT: ReadonlySet<string> = new Set([
  'main.ts',
  'server.ts',
  'open-replication.ts',
  'open-upstreams.ts',
  'cli',
]);
/** Files beside the folders that import nothing of ours. */
const LEAVES: ReadonlySet<string> = new Set(['version.ts']);

/** Which folders a folder may import from, besides itself. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  http: ['registry', 'replication', 'access', 'telemetry', 'oci', 'util'],
  replication: ['registry', 'metadata', 'upstream', 'telemetry', 'oci', 'util'],
  registry: ['content', 'metadata', 'upstream', 'telemetry', 'oci', 'util'],
  access: ['metadata', 'telemetry', 'oci', 'util'],
  content: ['telemetry', 'oci', 'util'],
  metadata: ['telemetry', 'oci', 'util'],
  upstream: ['telemetry', 'oci', 'util'],
  telemetry: ['oci', 'util'],
  config: ['oci', 'util'],
  oci: ['util'],
  util: [],
};

/** The one folder that may import a library. */
const LIBRARY_HOMES: Readonly<Record<string, string>> = {
  hono: 'http',
  '@hono/node-server': 'http',
  undici: 'upstream',
  'better-sqlite3': 'metadata/sqlite',
  bcrypt: 'access',
  jose: 'access',
  pino: 'telemetry',
  'pino-pretty': 'telemetry',
  'prom-client': 'telemetry',
  yaml: 'config',
  zod: 'config',
  commander: 'cli',
  'cli-table3': 'cli',
  'cli-progress': 'cli',
};
/** Small tools, for every layer but the two lowest. */
const FREE_LIBRARIES: ReadonlySet<string> = new Set(['lru-cache', 'p-limit', 'cockatiel', 'croner', 'semver', 're2js']);
const WITHOUT_LIBRARIES: ReadonlySet<string> = new Set(['oci', 'util']);

const STATIC_IMPORT = /^[ \t]*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm;
const BARE_IMPORT = /^[ \t]*import\s*['"]([^'"]+)['"]/gm;
const DYNAMIC_IMPORT = /\bimport\s*\(\s*['"]([^'"]+)['"]\s*[,)]/g;
const ANY_DYNAMIC_IMPORT = /\bimport\s*\(/g;
const SOURCE_URL = /\bnew\s+URL\(\s*['"]([^'"]+\.ts)['"]\s*,\s*import\.meta\.url/g;
/** Not what is a method of ours, where it is declared or called. */
const LOADER = /(?<!\.)\brequire\s*\((?!\w+: )|\bcreateRequire\b|\bimport\.meta\.resolve\b/;

/** What is wrong with the imports of one file. @param file path below src/, with slashes */
function violationsOf(file: string, text: string): string[] {
  const from = partOf(file);
  if (from === undefined) return [`${file}: no layer is known for this place`];
  const found = [STATIC_IMPORT, BARE_IMPORT, DYNAMIC_IMPORT, SOURCE_URL].flatMap((pattern) =>
    [...text.matchAll(pattern)].map((match) => match[1] ?? ''),
  );
  const problems = found.flatMap((specifier) => problemWith(file, from, specifier) ?? []);
  if ([...text.matchAll(ANY_DYNAMIC_IMPORT)].length > [...text.matchAll(DYNAMIC_IMPORT)].length) {
    problems.push('a dynamic import of something that is not written out');
  }
  if (LOADER.test(text)) problems.push('modules are loaded past import');
  return problems.map((problem) => `${file}: ${problem}`);
}

/** The top-level folder or file that a path belongs to; undefined when the design knows none of that name. */
function partOf(file: string): string | undefined {
  const [first = ''] = file.split('/');
  const isFolder = file.includes('/');
  if (isFolder) return first in LAYERS || first === 'cli' ? first : undefined;
  return LEAVES.has(first) || (COMPOSITION_ROOT.has(first) && first !== 'cli') ? first : undefined;
}

function problemWith(file: string, from: string, specifier: string): string | undefined {
  if (specifier.startsWith('node:')) return undefined;
  if (!specifier.startsWith('.')) return problemWithLibrary(file, from, libraryOf(specifier));
  const target = posix.normalize(posix.join(posix.dirname(file), specifier));
  if (target.startsWith('..')) return `imports ${specifier}, which is outside of src/`;
  const to = partOf(target);
  if (to === undefined) return `imports ${specifier}, for which no layer is known`;
  const isAllowed = COMPOSITION_ROOT.has(from) || from === to || (LAYERS[from] ?? []).includes(to);
  return isAllowed ? undefined : `${from} must not import ${to} (${specifier})`;
}

function problemWithLibrary(file: string, from: string, library: string): string | undefined {
  if (WITHOUT_LIBRARIES.has(from)) return `${from} must not import the library ${library}`;
  if (FREE_LIBRARIES.has(library)) return LEAVES.has(from) ? `${from} is a leaf, but imports ${library}` : undefined;
  const home = LIBRARY_HOMES[library];
  if (home === undefined) return `no layer is known for the library ${library}`;
  return file.startsWith(`${home}/`) ? undefined : `the library ${library} belongs into ${home}/ only`;
}

/** `@hono/node-server/conninfo` belongs to `@hono/node-server`. */
function libraryOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

async function sourceFiles(): Promise<string[]> {
  const entries = await readdir(SOURCE, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  return files.map((entry) => relative(SOURCE, join(entry.parentPath, entry.name)).split(sep).join('/')).sort();
}

describe('the layers of src/', () => {
  test('every import points down', async () => {
    const files = await sourceFiles();
    const violations = await Promise.all(
      files.map(async (file) => violationsOf(file, await readFile(join(SOURCE, file), 'utf8'))),
    );
    expect(files.length).toBeGreaterThan(100);
    expect(violations.flat()).toEqual([]);
  });

  test('every file has a place, and is TypeScript', async () => {
    const files = await sourceFiles();
    expect(files.filter((file) => partOf(file) === undefined || !file.endsWith('.ts'))).toEqual([]);
  });

  test('every library that the program depends on has a place', async () => {
    const manifest = JSON.parse(await readFile(join(SOURCE, '../package.json'), 'utf8')) as { dependencies: object };
    const placed = new Set([...Object.keys(LIBRARY_HOMES), ...FREE_LIBRARIES]);
    expect(Object.keys(manifest.dependencies).filter((library) => !placed.has(library))).toEqual([]);
  });
});

describe('the check of the layers', () => {
  test.each([
    ['oci/a.ts', "import { x } from '../registry/x.ts';", 'oci must not import registry (../registry/x.ts)'],
    ['content/a.ts', "import type { X } from '../metadata/x.ts';", 'content must not import metadata'],
    [
      'content/disk/a.ts',
      "import {\n  one,\n  two,\n} from '../../upstream/x.ts';",
      'content must not import upstream',
    ],
    ['util/a.ts', "export { x } from '../oci/x.ts';", 'util must not import oci'],
    ['util/a.ts', "export * from '../oci/x.ts';", 'util must not import oci'],
    ['telemetry/a.ts', "import '../config/x.ts';", 'telemetry must not import config'],
    ['registry/a.ts', "const x = await import('../http/x.ts');", 'registry must not import http'],
    ['registry/a.ts', "type X = import('../http/x.ts').X;", 'registry must not import http'],
    ['upstream/a.ts', "new Worker(new URL('../registry/x.ts', import.meta.url));", 'upstream must not import registry'],
    ['http/a.ts', "import { x } from '../content/x.ts';", 'http must not import content'],
    ['http/a.ts', "import { startServer } from '../server.ts';", 'http must not import server.ts'],
    ['version.ts', "import { x } from './util/x.ts';", 'version.ts must not import util'],
    ['registry/a.ts', "import { x } from '../../test/x.ts';", 'which is outside of src/'],
    ['registry/a.ts', "import { x } from '../plugins/x.ts';", 'for which no layer is known'],
    ['registry/a.ts', 'const x = await import(name);', 'a dynamic import of something that is not written out'],
    ['registry/a.ts', "const x = require('./x.ts');", 'modules are loaded past import'],
    ['registry/a.ts', "const x = createRequire(import.meta.url)('./x.ts');", 'modules are loaded past import'],
    ['plugins/a.ts', '', 'no layer is known for this place'],
    ['other.ts', '', 'no layer is known for this place'],
    ['registry/a.ts', "import { Hono } from 'hono';", 'the library hono belongs into http/ only'],
    ['server.ts', "import pino from 'pino';", 'the library pino belongs into telemetry/ only'],
    [
      'metadata/a.ts',
      "import Database from 'better-sqlite3';",
      'the library better-sqlite3 belongs into metadata/sqlite/',
    ],
    ['upstream/a.ts', "import { x } from 'left-pad';", 'no layer is known for the library left-pad'],
    ['upstream/a.ts', "import { readFile } from 'fs';", 'no layer is known for the library fs'],
    ['util/a.ts', "import { LRUCache } from 'lru-cache';", 'util must not import the library lru-cache'],
  ])('finds what is wrong in %s: %j', (file, text, problem) => {
    const violations = violationsOf(file, `import { a } from './a.ts';\n${text}\n`);
    expect(violations.filter((violation) => violation.includes(problem))).toHaveLength(1);
  });

  test.each([
    ['registry/fill/a.ts', "import { x } from '../../content/x.ts';\nimport { y } from '../y.ts';"],
    ['http/a.ts', "import { x } from '@hono/node-server/conninfo';"],
    ['metadata/sqlite/a.ts', "import Database, { type Statement } from 'better-sqlite3';"],
    ['oci/a.ts', "import { hash } from 'node:crypto';\nimport { x } from '../util/x.ts';"],
    ['cli/a.ts', "import { x } from '../http/x.ts';\nimport { y } from '../server.ts';"],
    ['registry/a.ts', "/** See import { x } from '../http/x.ts'. */\n// import '../http/x.ts'"],
    ['http/a.ts', "  require(action: Action): void;\n  visitor.require('pull', name);"],
    ['version.ts', "readFileSync(new URL('../package.json', import.meta.url))"],
  ])('finds nothing wrong in %s: %j', (file, text) => {
    expect(violationsOf(file, text)).toEqual([]);
  });
});
