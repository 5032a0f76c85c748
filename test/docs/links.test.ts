import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../..');
const PAGES = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'].concat(
  readdirSync(path.join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
);
const { files: packaged }: { files: string[] } = JSON.parse(
  readFileSync(path.join(ROOT, 'package.json'), 'utf8'),
);

function textOf(page: string): string {
  return readFileSync(path.join(ROOT, page), 'utf8');
}

/**
 * Returns the text of a page without its code: spans, and blocks, which are indented and begin
 * after an empty line.
 */
function proseOf(page: string): string {
  const lines: string[] = [];
  let code = false;
  let before = '';
  for (const line of textOf(page).split('\n')) {
    code = line.startsWith('    ') && (code || before === '');
    if (!code) lines.push(line);
    before = line;
  }
  return lines.join('\n').replace(/`[^`\n]*`/g, '');
}

/** Returns the targets of a page's relative links, images included. */
function linksOf(page: string): string[] {
  const targets = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}

/** Returns the anchors that GitHub makes of a page's headings. */
function anchorsOf(page: string): Set<string> {
  const headings = [...textOf(page).matchAll(/^#{1,6} (.*)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(' ', '-'),
    ),
  );
}

/** Returns what is wrong with a link; null if nothing is. */
function fault(page: string, link: string): string | null {
  const [file = '', anchor] = link.split('#');
  const target = file === '' ? page : path.posix.join(path.posix.dirname(page), file);
  if (!existsSync(path.join(ROOT, target))) return `${link}: no such file`;
  if (!packaged.some((each) => target === each || target.startsWith(`${each}/`)))
    return `${link}: not in the package`;
  if (anchor !== undefined && !anchorsOf(target).has(anchor)) return `${link}: no such heading`;
  return null;
}

describe('the documents', () => {
  test.each(PAGES)('%s: all relative links lead to a file of the package, and to a heading', (page) => {
    expect(linksOf(page).flatMap((link) => fault(page, link) ?? [])).toEqual([]);
  });

  test('README links to every page in docs', () => {
    const linked = new Set(
      ['README.md', ...PAGES.filter((page) => page.startsWith('docs/'))].flatMap((page) =>
        linksOf(page).map((link) => path.posix.join(path.posix.dirname(page), link.split('#')[0] ?? '')),
      ),
    );
    expect(PAGES.filter((page) => page.startsWith('docs/') && !linked.has(page))).toEqual([]);
  });

  test('README has at most 120 lines', () => {
    expect(textOf('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(120);
  });
});
