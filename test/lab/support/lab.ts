import { describe, inject } from 'vitest';
import type { Hosts } from './topology.ts';

/** What the setup provides to the tests. Paths are this machine's. */
export interface Lab {
  readonly hosts: Hosts;
  /** The folder of this machine that holds all that is the lab's own. */
  readonly folder: string;
  /** What the FTP servers have as `pub/` and host A as /pub; see files.ts. */
  readonly pub: string;
  /** Host A's /lab. */
  readonly scratch: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** None where the tests are skipped. */
    labs: Lab[];
  }
}

/**
 * Returns the lab of this test file, which claim.ts has claimed: no other file uses it meanwhile.
 * Call it in tests and hooks only.
 */
export function lab(): Lab {
  const lab = inject('labs')[Number(process.env.SSHFERRY_LAB)];
  if (lab === undefined) throw new Error('this test file has claimed no lab');
  return lab;
}

/** `describe`, skipped if there is no lab (setup.ts says why). */
export const describeLab = describe.skipIf(inject('labs').length === 0);
