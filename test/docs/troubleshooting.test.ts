import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
const page = read('docs/troubleshooting.md');
const entries = new Map(
  [...page.matchAll(/^### ([A-Z_]+)\n([\s\S]*?)(?=^##|(?![\s\S]))/gm)].map(([, code, text]) => [code, text]),
);

/**
 * Returns the codes that a source file has: they alone are words in capitals between quotes, or
 * keys of an object.
 */
function codesIn(file: string): string[] {
  const words = read(file).matchAll(/'([A-Z]+(?:_[A-Z]+)*)'|^ {2}([A-Z]+(?:_[A-Z]+)*): \{/gm);
  return [...new Set([...words].map(([, quoted, key]) => quoted ?? key ?? ''))];
}

const codes = [...codesIn('src/core/errors.ts'), ...codesIn('src/core/probe/failure.ts')];

describe('docs/troubleshooting.md', () => {
  test('has an entry for every error code, and for no other', () => {
    expect(codes.length).toBeGreaterThan(30);
    expect([...entries.keys()].sort()).toEqual(codes.sort());
  });

  test.each(codes)('%s: symptom, cause and fix', (code) => {
    expect(entries.get(code)).toMatch(
      /^\n- \*\*Symptom\*\*: .*[\s\S]*\n- \*\*Cause\*\*: .*[\s\S]*\n- \*\*Fix\*\*: ./,
    );
  });
});
