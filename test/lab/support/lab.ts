import { describe, inject } from 'vitest';
import type { Hosts } from './topology.ts';

/** What the setup gives the tests. Paths are this machine's. */
export interface Lab {
  readonly hosts: Hosts;
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

/** Returns the lab of this test file; to be called in tests and hooks only. No other file uses it meanwhile. */
export function lab(): Lab {
  const labs = inject('labs');
  // Files that run at the same time have different numbers, from 1 to as many as there are workers.
  const given = labs[Number(process.env.VITEST_POOL_ID ?? 1) - 1];
  if (given === undefined)
    throw new Error(`no lab for worker ${process.env.VITEST_POOL_ID} of ${labs.length}`);
  return given;
}

/** `describe`, skipped if there is no lab (setup.ts says why). */
export const describeLab = describe.skipIf(inject('labs').length === 0);
