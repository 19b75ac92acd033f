import type { KeyPath } from './key-path.ts';

/** Told about each value that cannot be expanded. */
export type Refuse = (path: KeyPath, message: string) => void;

const VARIABLE = /\$\$\{|\$\{([^{}]*)\}|\$\{/g;
const INSIDE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/**
 * The same tree with `${NAME}` and `${NAME:-default}` replaced in all of its strings; `$${` stands for `${`. What a
 * variable holds is not expanded again. A string that cannot be expanded is refused and becomes undefined.
 */
export function expandVariables(value: unknown, env: NodeJS.ProcessEnv, refuse: Refuse): unknown {
  const ancestors = new Set<object>();
  return expand(value, []);

  function expand(node: unknown, path: KeyPath): unknown {
    if (typeof node === 'string') return expandText(node, env, (message) => refuse(path, message));
    if (!Array.isArray(node) && !isPlainObject(node)) return node;
    if (ancestors.has(node)) return refuse(path, 'is an alias of something that it is part of');
    ancestors.add(node);
    const copy = Array.isArray(node)
      ? node.map((item, index) => expand(item, [...path, index]))
      : Object.fromEntries(Object.entries(node).map(([key, item]) => [key, expand(item, [...path, key])]));
    ancestors.delete(node);
    return copy;
  }
}

function expandText(text: string, env: NodeJS.ProcessEnv, refuse: (message: string) => void): string | undefined {
  let isRefused = false;
  const expanded = text.replaceAll(VARIABLE, (whole, inside: string | undefined) => {
    if (whole === '$${') return '${';
    const [, name, fallback] = INSIDE.exec(inside ?? '') ?? [];
    const value = name === undefined ? undefined : env[name];
    // As in a shell, `:-` also stands in for a variable that is set but empty.
    if (fallback !== undefined && (value === undefined || value === '')) return fallback;
    if (value !== undefined) return value;
    isRefused = true;
    // What stands in malformed braces may be part of a password: it is not shown.
    if (name === undefined)
      refuse('has "${" without a variable\'s name; write ${NAME}, ${NAME:-default}, or $${ for "${"');
    else refuse(`uses the environment variable ${name}, which is not set; set it, or write \${${name}:-default}`);
    return '';
  });
  return isRefused ? undefined : expanded;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
