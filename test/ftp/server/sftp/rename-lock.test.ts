import { expect, it } from 'vitest';
import { RenameLock } from '../../../../src/ftp/server/sftp/rename-lock.ts';
import { deferred } from '../../../support/deferred.ts';

it('runs operations together, and a rename alone, after those before it', async () => {
  const lock = new RenameLock();
  const done: string[] = [];
  const [first, second, renaming] = [deferred<void>(), deferred<void>(), deferred<void>()];
  const all = [
    lock.shared(async () => {
      done.push('first begins');
      await first.promise;
    }),
    lock.shared(async () => {
      done.push('second begins');
      await second.promise;
    }),
    lock.alone(async () => {
      done.push('rename begins');
      await renaming.promise;
      done.push('rename ends');
    }),
    lock.shared(async () => void done.push('third')),
  ];
  first.resolve();
  await all[0];
  expect(done).toEqual(['first begins', 'second begins']);
  second.resolve();
  await all[1];
  await new Promise(setImmediate);
  expect(done).toEqual(['first begins', 'second begins', 'rename begins']);
  renaming.resolve();
  await Promise.all(all);
  expect(done.slice(3)).toEqual(['rename ends', 'third']);
});

it('goes on after failures', async () => {
  const lock = new RenameLock();
  const fails = () => Promise.reject(new Error('no'));
  await expect(lock.shared(fails)).rejects.toThrow('no');
  await expect(lock.alone(fails)).rejects.toThrow('no');
  expect(await lock.alone(async () => 1)).toBe(1);
  expect(await lock.shared(async () => 2)).toBe(2);
});

it('counts a rename when it runs, not while it waits for operations before it', async () => {
  const lock = new RenameLock();
  const operation = deferred<void>();
  const running = lock.shared(() => operation.promise);
  const renamed = lock.alone(async () => lock.count);
  expect(lock.count).toBe(0);
  operation.resolve();
  await running;
  expect([await renamed, lock.count]).toEqual([1, 1]);
});
