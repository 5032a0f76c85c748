import type { Endpoint } from '../../endpoint.ts';

/**
 * The originator of each channel (RFC 4254 7.2), which the server may log: not the real one, which
 * does not concern it.
 */
export const ORIGINATOR: Endpoint = { host: '127.0.0.1', port: 0 };
