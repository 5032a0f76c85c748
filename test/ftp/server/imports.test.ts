import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const ROOM = new URL('../../../src/ftp/server/', import.meta.url);
const decisions = readdirSync(ROOM).filter((name) => name.endsWith('.ts'));

it.each(decisions)(
  '%s decides without I/O: it imports neither Node’s modules nor what carries out',
  (name) => {
    const text = readFileSync(new URL(name, ROOM), 'utf8');
    const imported = [...text.matchAll(/^(?:import|export)[^;]*? from '([^']+)'/gm)].map(
      ([, from = '']) => from,
    );
    const allowed = /^(iconv-lite|\.\/[\w-]+\.ts|\.\.\/[\w-]+\.ts|\.\.\/\.\.\/core\/endpoint\.ts)$/;
    expect(imported.filter((from) => !allowed.test(from))).toEqual([]);
  },
);
