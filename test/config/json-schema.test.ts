import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { PLUGINS } from '../../src/app/plugins.ts';
import { readConfigText } from '../../src/config/diagnose.ts';
import { jsonSchema } from '../../src/config/json-schema.ts';

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
const shipped = JSON.parse(read('schema/sshferry.schema.json'));
const example = read('docs/sshferry.example.yaml');
const valid = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(shipped);

test('the shipped schema is the one that sshferry uses (npm run schema writes it)', () => {
  expect(shipped).toEqual(JSON.parse(JSON.stringify(jsonSchema(PLUGINS))));
});

test('the example is valid, for editors and for sshferry', () => {
  expect(example.split('\n')[0]).toBe('# yaml-language-server: $schema=../schema/sshferry.schema.json');
  expect(valid(parse(example)), JSON.stringify(valid.errors)).toBe(true);
  expect(readConfigText(example, PLUGINS)).toHaveProperty('config');
});

test.each([
  ['a key', 'listen: 8110', 'lissten: 8110'],
  ['a type', 'type: ftp', 'type: gopher'],
  ['a number', 'port: 2222', 'port: 70000'],
  ['a missing key', 'server: office, ', ''],
  ['a value', 'level: info', 'level: loud'],
  ['a pattern', '50000-50100', 'some'],
])('editors find the mistake: %s', (_what, right, wrong) => {
  expect(example).toContain(right);
  expect(valid(parse(example.replace(right, wrong)))).toBe(false);
});
