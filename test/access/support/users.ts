/** The bcrypt hash of `secret`, of a cost that no one should use. */
export const SECRET_HASH = '$2b$04$AyW5PU3dAugVYn86vLLcteBXLXkA2jq2LTv5xjEW63G8vB4oriao.';

/** Lines of a password file; the password of each is `secret`. */
export function linesFor(...names: readonly string[]): string {
  return names.map((name) => `${name}:${SECRET_HASH}\n`).join('');
}
