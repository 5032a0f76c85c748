#!/usr/bin/env node
import { createRequire } from 'node:module';
import { setHeapRules } from './cli/heap.ts';
import { ignoreInspectorSignal } from './cli/inspector.ts';

const compiled = import.meta.url.endsWith('.js');
/** Whether modules are loaded one after another; see `loadMain`. */
const inTurn = compiled && process.features.require_module === true;
/** How many file descriptors sshferry needs to start and to serve a few clients. */
const DESCRIPTORS = inTurn ? 64 : 128;

// Before anything else is loaded.
await ignoreInspectorSignal();
setHeapRules();

await start().catch((error: NodeJS.ErrnoException) => {
  if (error.code !== 'EMFILE' && error.code !== 'ENFILE') throw error;
  process.stderr.write(
    `sshferry: cannot start: too many open files (${error.code}); it needs ${DESCRIPTORS}: ulimit -n ${DESCRIPTORS}\n`,
  );
  process.exit(255);
});

async function start(): Promise<void> {
  const { main } = await loadMain();
  await main();
}

/**
 * Loads the program. `import` opens as many files at once as a module imports, which takes more than 100 descriptors; `require`,
 * where Node can load ES modules with it (20.19, 22.12), one after another.
 */
async function loadMain(): Promise<typeof import('./main.ts')> {
  if (inTurn) return createRequire(import.meta.url)('./main.js');
  return import('./main.ts');
}
