import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');

describe.each(['CONTRIBUTING.md', 'docs/architecture.md', 'docs/security.md', 'docs/performance.md'])(
  '%s',
  (page) => {
    test('names only files that exist', () => {
      const named = [
        ...read(page).matchAll(/\b(?:src|test|examples|scripts|fuzz|docker)\/[\w./-]*\w\.\w+/g),
      ].map(([file]) => file);
      expect(named.length).toBeGreaterThan(0);
      expect(named.filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
    });
  },
);

test('CONTRIBUTING answers ten questions, each with a path', () => {
  const section = /^## Where is it\?\n([\s\S]*?)^## /m.exec(read('CONTRIBUTING.md'))?.[1] ?? '';
  const answers = section.split(/^\d+\. /m).slice(1);
  expect(answers.length).toBe(10);
  expect(answers.filter((answer) => !/^\*\*[^*]*\?\*\*[\s\S]*`src\//.test(answer))).toEqual([]);
});

test("docs/architecture.md names every file that relies on ssh2's inside", () => {
  const section = /^## ssh2's inside\n([\s\S]*?)^## /m.exec(read('docs/architecture.md'))?.[1] ?? '';
  const inside =
    /internals\.ts'|\(ssh2 \d|\bssh2\/lib\/|\blib\/Channel\.js|\(client\.js,|\(kex\.js\)|\._protocol\b/;
  const files = readdirSync(path.join(ROOT, 'src/core/ssh'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `src/core/ssh/${name}`);
  const relying = files.filter((file) => inside.test(read(file)));
  expect(relying.length).toBeGreaterThan(8);
  expect(relying.filter((file) => !section.includes(`\`${file}\``))).toEqual([]);
});

test('the unit for systemd waits longer than transfers may take to finish', () => {
  const [, drain] = /^drainTimeout: (\d+)$/m.exec(read('docs/sshferry.example.yaml')) ?? [];
  const [, stop] = /^TimeoutStopSec=(\d+)$/m.exec(read('docs/sshferry.service')) ?? [];
  expect(Number(stop)).toBeGreaterThan(Number(drain));
});
