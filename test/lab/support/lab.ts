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
    lab: Lab | null;
  }
}

/** The lab; to be called in tests and hooks only, where there is one. */
export function lab(): Lab {
  const given = inject('lab');
  if (given === null) throw new Error('there is no lab');
  return given;
}

/** `describe`, skipped where there is no lab (setup.ts says why). */
export const describeLab = describe.skipIf(inject('lab') === null);
