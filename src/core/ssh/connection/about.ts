import type { ConnectionAbout } from '../../transport.ts';

/** The program that logs in and encrypts: the library ssh2, or the installed `ssh`. */
export type EngineName = 'ssh2' | 'openssh';

/** Returns the facts of a connection with this key exchange; null if it is not known. */
export function connectionAbout(engine: EngineName, keyExchange: string | null): ConnectionAbout {
  const postQuantum = keyExchange !== null && /sntrup|mlkem|kyber/i.test(keyExchange);
  return { engine, keyExchange, postQuantum };
}
