#!/usr/bin/env node
import { createRequire } from 'node:module';
import { setHeapRules } from './cli/serve/heap.ts';
import { ignoreInspectorSignal } from './cli/serve/inspector.ts';

/** File descriptors that a start needs if modules are loaded in parallel. */
const DESCRIPTORS = 256;

// Before loading anything else.
await ignoreInspectorSignal();
setHeapRules();

const { main } = await loadMain().catch((error: NodeJS.ErrnoException) => {
  if (error.code !== 'EMFILE' && error.code !== 'ENFILE') throw error;
  process.stderr.write(
    `sshferry: cannot start: too many open files (${error.code}); it needs ${DESCRIPTORS}: ulimit -n ${DESCRIPTORS}\n`,
  );
  process.exit(255);
});
await main();

/**
 * Loads the program. `import` opens all imports of a module at once, which takes more than 100
 * descriptors. `require` opens them one by one, if Node can load ES modules with it (20.19, 22.12).
 */
async function loadMain(): Promise<typeof import('./main.ts')> {
  const compiled = import.meta.url.endsWith('.js');
  if (compiled && process.features.require_module) return createRequire(import.meta.url)('./main.js');
  return import('./main.ts');
}
