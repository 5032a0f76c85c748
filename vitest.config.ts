import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Tests that take minutes even in their shortest version: `npm run test:long` sets the variable. */
function longOnly(variable: string, file: string): string[] {
  return process.env[variable] ? [] : [file];
}

/** Vitest's own default leaves one core free, which is half of a small machine. */
const WORKERS = Math.max(2, availableParallelism() - 1);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/inprocess/**', 'test/lab/**'],
          // Nothing here has state outside its file; loading each module once keeps the ring below 10 s.
          isolate: false,
          maxWorkers: WORKERS,
          // For a machine that has other things to do as well.
          testTimeout: 30_000,
        },
      },
      {
        // The examples import the package by its name.
        resolve: { alias: { sshferry: join(import.meta.dirname, 'src/index.ts') } },
        test: {
          name: 'inprocess',
          include: ['test/inprocess/**/*.test.ts'],
          exclude: [
            ...longOnly('SSHFERRY_MEMORY', 'test/inprocess/resident-memory.test.ts'),
            ...longOnly('SSHFERRY_BENCH', 'test/inprocess/bench.test.ts'),
          ],
          globalSetup: ['test/inprocess/setup.ts'],
          maxWorkers: WORKERS,
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.ts'],
          exclude: longOnly('SSHFERRY_SOAK_MINUTES', 'test/lab/soak.test.ts'),
          globalSetup: ['test/lab/setup.ts'],
          setupFiles: ['test/lab/support/claim.ts'],
          // As many as test/lab/setup.ts makes labs.
          maxWorkers: Math.min(2, availableParallelism()),
          // After the others: what it counts on is time.
          sequence: { groupOrder: 1 },
          testTimeout: 180_000,
          hookTimeout: 900_000,
        },
      },
    ],
  },
});
