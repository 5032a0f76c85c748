#!/usr/bin/env node
import { createRequire } from 'node:module';
import { setHeapRules } from './cli/heap.ts';
import { ignoreInspectorSignal } from './cli/inspector.ts';

/** File descriptors that a start takes where modules are loaded side by side. */
const DESCRIPTORS = 128;

// Before anything else is loaded.
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
 * Loads the program. `import` opens as many files at once as a module imports, which takes more than 100 descriptors; `require`,
 * where Node can load ES modules with it (20.19, 22.12), one after another.
 */
async function loadMain(): Promise<typeof import('./main.ts')> {
  const compiled = import.meta.url.endsWith('.js');
  if (compiled && process.features.require_module) return createRequire(import.meta.url)('./main.js');
  return import('./main.ts');
}
