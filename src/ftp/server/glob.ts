/** Whether LIST and NLST read the name as a pattern. */
export function isPattern(name: string): boolean {
  return /[*?[]/.test(name);
}

/**
 * Returns a test for file names (one byte a character) against a shell pattern: `*`, `?`, `[a-z]`,
 * `[!a-z]`, and `\` before a character that means itself. `?` is one character of a UTF-8 name. The
 * time is bounded by the product of the two lengths.
 */
export function globMatcher(pattern: string): (name: string) => boolean {
  const tokens = tokensOf(characters(pattern));
  return (name) => matches(tokens, characters(name));
}

/** `any`: any number of characters; otherwise a test of one. */
type Token = 'any' | ((character: string) => boolean);

/** Returns Unicode characters if the bytes are UTF-8, otherwise bytes. */
function characters(name: string): string[] {
  const text = Buffer.from(name, 'latin1').toString('utf8');
  return [...(text.includes('\ufffd') ? name : text)];
}

function tokensOf(pattern: readonly string[]): Token[] {
  const tokens: Token[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i] ?? '';
    const close = character === '[' ? endOfClass(pattern, i) : -1;
    if (character === '*') {
      if (tokens.at(-1) !== 'any') tokens.push('any');
    } else if (character === '?') tokens.push(() => true);
    else if (close > 0) {
      tokens.push(classTest(pattern.slice(i + 1, close)));
      i = close;
    } else if (character === '\\' && i + 1 < pattern.length) {
      i += 1;
      tokens.push(literal(pattern[i] ?? ''));
    } else tokens.push(literal(character));
  }
  return tokens;
}

/**
 * Returns the index of the "]" that ends the class; -1 if "[" means itself. A first "]" is a
 * member.
 */
function endOfClass(pattern: readonly string[], open: number): number {
  const negated = pattern[open + 1] === '!' || pattern[open + 1] === '^';
  return pattern.indexOf(']', open + (negated ? 3 : 2));
}

function classTest(members: readonly string[]): Token {
  const negated = members[0] === '!' || members[0] === '^';
  const ranges: [string, string][] = [];
  for (let i = negated ? 1 : 0; i < members.length; i++) {
    const [first = '', dash, last] = members.slice(i, i + 3);
    if (dash === '-' && last !== undefined) {
      ranges.push([first, last]);
      i += 2;
    } else ranges.push([first, first]);
  }
  return (character) => ranges.some(([first, last]) => first <= character && character <= last) !== negated;
}

function literal(expected: string): Token {
  return (character) => character === expected;
}

/** Matches, going back to the last `any` only: an earlier one could not match more. */
function matches(tokens: readonly Token[], name: readonly string[]): boolean {
  let [token, at] = [0, 0];
  let retry: { token: number; at: number } | null = null;
  while (at < name.length) {
    const test = tokens[token];
    if (test === 'any') {
      token += 1;
      retry = { token, at };
    } else if (test?.(name[at] ?? '')) {
      token += 1;
      at += 1;
    } else if (retry !== null) {
      retry = { token: retry.token, at: retry.at + 1 };
      ({ token, at } = retry);
    } else return false;
  }
  return tokens.slice(token).every((rest) => rest === 'any');
}
