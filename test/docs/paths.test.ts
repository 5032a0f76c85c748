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

test('ssh2/library.ts lists every file that relies on the inside of ssh2', () => {
  const folder = 'src/core/ssh/ssh2';
  const list = /^\/\*\n([\s\S]*?)\*\/$/m.exec(read(`${folder}/library.ts`))?.[1] ?? '';
  const inside =
    /internals\.ts'|\(ssh2 \d|\bssh2\/lib\/|\blib\/Channel\.js|\(client\.js,|\(kex\.js\)|\._protocol\b/;
  const relying = readdirSync(path.join(ROOT, folder)).filter((name) =>
    inside.test(read(`${folder}/${name}`)),
  );
  expect(relying.length).toBeGreaterThan(7);
  expect(relying.filter((name) => name !== 'library.ts' && !list.includes(`| ${name} `))).toEqual([]);
});

test('the unit for systemd waits longer than transfers may take to finish', () => {
  const [, drain] = /^drainTimeout: (\d+)$/m.exec(read('docs/sshferry.example.yaml')) ?? [];
  const [, stop] = /^TimeoutStopSec=(\d+)$/m.exec(read('docs/sshferry.service')) ?? [];
  expect(Number(stop)).toBeGreaterThan(Number(drain));
});
