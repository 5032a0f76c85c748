import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const ROOT = path.join(import.meta.dirname, '../..');

it.each(['docs/security.md', 'SECURITY.md'])('%s names only tests and files that exist', (document) => {
  const text = readFileSync(path.join(ROOT, document), 'utf8');
  const named = [...text.matchAll(/`((?:test|src)\/[^`\s]+)`|\((docs\/[^)#]+)\)/g)].map(
    ([, code, link]) => code ?? link ?? '',
  );
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((name) => !existsSync(path.join(ROOT, name)))).toEqual([]);
});
