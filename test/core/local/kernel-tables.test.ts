import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, type TestContext, test } from 'vitest';
import { KernelTables } from '../../../src/core/local/kernel-tables.ts';
import type { TableName } from '../../../src/core/local/proc-net-tcp.ts';

/** A folder with tables of a test's own, and what reads them. */
function setUp(test: Pick<TestContext, 'onTestFinished'>, files: Partial<Record<TableName, string>>) {
  const folder = mkdtempSync(join(tmpdir(), 'sshferry-tables-'));
  for (const [table, text] of Object.entries(files)) writeFileSync(join(folder, table), text);
  const tables = new KernelTables(folder);
  test.onTestFinished(() => {
    tables.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const read = async (table: TableName) => {
    let text = '';
    for await (const piece of tables.read(table)) text += Buffer.from(piece).toString('latin1');
    return text;
  };
  return { folder, tables, read };
}

test('reads a table from its beginning each time, whatever was read of it before', async (t) => {
  const { folder, tables, read } = setUp(t, { tcp: `first ${'x'.repeat(200_000)}`, tcp6: 'six' });
  for await (const piece of tables.read('tcp')) {
    expect(piece.length).toBeLessThan(100_000);
    break;
  }
  expect(await read('tcp')).toMatch(/^first x{200000}$/);
  writeFileSync(join(folder, 'tcp'), 'second');
  expect(await Promise.all([read('tcp'), read('tcp6'), read('tcp')])).toEqual(['second', 'six', 'second']);
});

test('keeps its descriptors: tables that are open can be read when no file can be opened', async (t) => {
  const { folder, tables, read } = setUp(t, { tcp: 'four', tcp6: 'six' });
  tables.open();
  rmSync(folder, { recursive: true });
  expect([await read('tcp'), await read('tcp6')]).toEqual(['four', 'six']);
  tables.open();
});

test.runIf(process.platform === 'linux')('closes them in the end', (t) => {
  const { folder, tables } = setUp(t, { tcp: '', tcp6: '' });
  const held = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
      } catch {
        return false;
      }
    }).length;
  tables.open();
  tables.open();
  expect(held()).toBe(2);
  tables.close();
  expect(held()).toBe(0);
});

describe('a table that does not exist', () => {
  test('is empty if it is that of IPv6, which the machine may lack', async (t) => {
    const { tables, read } = setUp(t, { tcp: 'four' });
    tables.open();
    expect([await read('tcp6'), await read('tcp')]).toEqual(['', 'four']);
  });

  test('is an error if it is that of IPv4', async (t) => {
    const { tables, read } = setUp(t, {});
    expect(() => tables.open()).toThrow('ENOENT');
    await expect(read('tcp')).rejects.toThrow('ENOENT');
    // The next reading does not wait for the one that failed.
    await expect(read('tcp')).rejects.toThrow('ENOENT');
  });
});
