/** One way to log in that a 401 offers (RFC 9110 11.3). */
export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  /** Names in lower case; of a repeated one the first. */
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_INPUT_CHARACTERS = 16 * 1024;
const MAX_CHALLENGES = 16;
const WORD = /[^\s,="]+/y;
const EQUALS = /\s*=\s*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)(?:"|\\?$)/sy;
const BARE = /[^\s,]*/y;
const SEPARATORS = /[\s,]*/y;

/**
 * Reads WWW-Authenticate, from one header or several, each with one scheme or several. Takes what registries send in
 * practice: unquoted values, spaces around `=`, missing parts, an open quote. Never throws; junk gives no challenge, or
 * one that nobody knows.
 */
export function parseChallenges(header: string | readonly string[] | undefined): Challenge[] {
  const text = [header ?? []].flat().join(', ').slice(0, MAX_INPUT_CHARACTERS);
  const scanner = new Scanner(text);
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  for (scanner.take(SEPARATORS); !scanner.atEnd; scanner.take(SEPARATORS)) {
    const word = scanner.take(WORD)?.[0];
    if (word === undefined) scanner.skip();
    else if (scanner.take(EQUALS)) {
      const value = scanner.take(QUOTED)?.[1]?.replace(/\\(.)/gs, '$1') ?? scanner.take(BARE)?.[0] ?? '';
      const parameters = challenges.at(-1)?.parameters;
      if (parameters && !parameters.has(word.toLowerCase())) parameters.set(word.toLowerCase(), value);
    } else if (challenges.push({ scheme: word.toLowerCase(), parameters: new Map() }) > MAX_CHALLENGES) break;
  }
  return challenges.slice(0, MAX_CHALLENGES);
}

/** What a parameter of the Bearer challenge lists: one string may hold several scopes (Harbor, for a mount). */
export function scopesOf(challenge: Challenge): string[] {
  return (challenge.parameters.get('scope') ?? '').split(' ').filter((scope) => scope !== '');
}

class Scanner {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#position >= this.#text.length;
  }

  skip(): void {
    this.#position++;
  }

  /** Reads on if a sticky pattern matches here. */
  take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#position;
    const match = pattern.exec(this.#text);
    if (match) this.#position += match[0].length;
    return match;
  }
}
