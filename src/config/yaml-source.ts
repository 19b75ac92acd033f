import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import type { KeyPath } from './key-path.ts';

/** Counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

interface YamlMistake {
  /** Empty where the mistake is not at a key. */
  readonly path: KeyPath;
  readonly place: Position;
  readonly message: string;
}

interface Fault {
  readonly code: string;
  /** Offset in the text. */
  readonly at: number;
}

/** The text of a configuration: its value, its mistakes as YAML, and where in the text each key stands. */
export interface YamlSource {
  /** Undefined when the mistakes leave no sense in it. */
  readonly value: unknown;
  readonly mistakes: readonly YamlMistake[];
  /** Where a key stands, or the nearest key above it that is there. */
  locate(path: KeyPath): Position;
}

// Enough for a file that shares a few blocks, too little for one that multiplies itself.
const MAX_ALIAS_COUNT = 100;
const MAX_MISTAKES = 20;

// The library's own messages quote the text, which may be a password (`password: *hunter2`): none is passed on.
const MESSAGES: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'this anchor or alias has no proper name; text that starts with & or * needs quotes',
  BAD_DQ_ESCAPE: 'this text in double quotes has an unknown escape; double the backslash, or use single quotes',
  BAD_INDENT: 'this line is not indented like the lines it belongs to',
  BAD_SCALAR_START: 'text that starts with this character needs quotes',
  DUPLICATE_KEY: 'this key is given twice; keep one of them',
  MISSING_CHAR: 'a character is missing here: a closing quote, a comma, a colon or the space after it',
  MULTIPLE_DOCS: 'a second YAML document starts here; put all keys into the first',
  RESOURCE_EXHAUSTION: 'this is nested too deeply',
  TAB_AS_INDENT: 'a tab cannot indent; use spaces',
  TAG_RESOLVE_FAILED: 'this tag is not supported; text that starts with ! needs quotes',
  // Two of our own.
  TOO_MANY_ALIASES: `more than ${MAX_ALIAS_COUNT} values come from aliases; write some of them out`,
  UNKNOWN_ALIAS: 'this alias (*) has no anchor (&) above it; text that starts with * needs quotes',
};
const OTHER_MISTAKE = 'this is not valid YAML; text with special characters such as : # [ ] { } needs quotes';

/** Reads YAML; throws nothing for text of any kind. */
export function parseYaml(text: string): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const faults: Fault[] = [...document.errors, ...document.warnings].map(({ code, pos: [at] }) => ({ code, at }));
  faults.push(...danglingAliases(document));
  const toMistake = ({ code, at }: Fault) => ({
    path: keyAt(document, at),
    place: placeOf(lines, at),
    message: describe(code),
  });
  const mistakes = oncePerLine(faults, lines).map(toMistake);
  const locate = (path: KeyPath) => placeOf(lines, offsetOf(document, path));
  if (faults.some(({ code }) => code !== 'DUPLICATE_KEY')) return { value: undefined, mistakes, locate };
  try {
    return { value: document.toJS({ maxAliasCount: MAX_ALIAS_COUNT }) as unknown, mistakes, locate };
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    mistakes.push({ path: [], place: placeOf(lines, 0), message: describe('TOO_MANY_ALIASES') });
    return { value: undefined, mistakes, locate };
  }
}

function placeOf(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

function describe(code: string): string {
  return MESSAGES[code] ?? OTHER_MISTAKE;
}

/** One broken line makes the parser stumble over and over. */
function oncePerLine(faults: readonly Fault[], lines: LineCounter): Fault[] {
  const byLine = new Map<number, Fault>();
  for (const fault of faults) {
    const { line } = placeOf(lines, fault.at);
    if (!byLine.has(line)) byLine.set(line, fault);
  }
  return [...byLine.values()].slice(0, MAX_MISTAKES);
}

function danglingAliases(document: Document): Fault[] {
  const anchors = new Set<string>();
  const dangling: Fault[] = [];
  visit(document, {
    Node: (_key, node) => {
      if (!isAlias(node)) {
        if (node.anchor !== undefined) anchors.add(node.anchor);
      } else if (!anchors.has(node.source)) dangling.push({ code: 'UNKNOWN_ALIAS', at: node.range?.[0] ?? 0 });
    },
  });
  return dangling;
}

/** The keys from the top down to the one at an offset. */
function keyAt(document: Document, offset: number): KeyPath {
  let found: KeyPath = [];
  visit(document, {
    Pair: (_key, pair, ancestors) => {
      if (!isScalar(pair.key) || pair.key.range?.[0] !== offset) return undefined;
      found = [...ancestors.filter(isPair), pair].map(({ key }) => (isScalar(key) ? String(key.value) : '?'));
      return visit.BREAK;
    },
  });
  return found;
}

/** The offset of a map's key or a list's item: following the path as far as the document goes. */
function offsetOf(document: Document, path: KeyPath): number {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    const child = childOf(node, step);
    if (child === undefined) break;
    offset = child.at.range?.[0] ?? offset;
    node = child.value;
  }
  return offset;
}

function childOf(node: unknown, step: string | number): { at: Node; value: unknown } | undefined {
  if (isSeq(node) && typeof step === 'number') {
    const item = node.items[step];
    return isNode(item) ? { at: item, value: item } : undefined;
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
  return pair && isNode(pair.key) ? { at: pair.key, value: pair.value } : undefined;
}
