import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { configurationPage } from '../../scripts/configuration-page.ts';
import { knownNames } from '../../src/core/ssh/config/keys.ts';

const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');

test('docs/configuration.md is up to date (else: npm run schema)', () => {
  expect(page).toBe(configurationPage());
});

test('docs/configuration.md names every key of ssh_config that sshferry knows', () => {
  expect(knownNames().filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
