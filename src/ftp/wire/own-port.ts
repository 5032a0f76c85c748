import { type Endpoint, sameHost, withZoneOf } from '../../core/endpoint.ts';

/** The port that a client names in PORT, EPRT or LPRT. */
export interface OwnPort {
  readonly endpoint: Endpoint;
  /**
   * Whether it may be dialled: the client's own address, and no port below 1024 (RFC 2577 3).
   * Otherwise a client could have sshferry connect to other hosts.
   */
  readonly allowed: boolean;
}

/** Returns the port that the client at the address `client` names as its own. */
export function ownPort({ host, port }: Endpoint, client: string): OwnPort {
  // "No address in particular", which lftp sends over ::1, can only mean the client's own.
  const unspecified = host === '::' || host === '0.0.0.0';
  const endpoint = { host: unspecified ? client : withZoneOf(host, client), port };
  return { endpoint, allowed: sameHost(endpoint.host, client) && port >= 1024 };
}
