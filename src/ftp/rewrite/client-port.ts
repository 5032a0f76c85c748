import type { Endpoint } from '../../core/endpoint.ts';
import { type AddressError, parseEprt, parseLprt, parsePort } from '../wire/address.ts';
import { ownPort } from '../wire/own-port.ts';
import { reply } from '../wire/words.ts';
import type { ActiveVerb } from './pending.ts';
import type { FtpPolicy } from './policy.ts';

/** RFC 2428 2. */
export const NO_FAMILY = reply(522, 'Network protocol not supported, use (1,2)');

const PARSE: Record<ActiveVerb, (argument: string) => Endpoint | AddressError> = {
  PORT: parsePort,
  EPRT: parseEprt,
  LPRT: parseLprt,
};

/**
 * The client's own port, or the reply that refuses it; `illegal` if it names another host, or a
 * port below 1024.
 */
export type ClientPort =
  | { readonly client: Endpoint }
  | { readonly refusal: Uint8Array; readonly illegal?: Endpoint };

/** Returns the client's address in PORT, EPRT or LPRT, if the policy allows it. */
export function clientPort(verb: ActiveVerb, argument: string, policy: FtpPolicy): ClientPort {
  const named = PARSE[verb](argument);
  if (named === 'protocol') return { refusal: NO_FAMILY };
  if (named === 'syntax') return { refusal: reply(501, `Cannot read the address in ${verb}`) };
  if (policy.active === 'refuse') {
    return {
      refusal: reply(502, 'sshferry: active mode is refused here (FtpActive=refuse); use passive mode'),
    };
  }
  const { endpoint: client, allowed } = ownPort(named, policy.client);
  if (allowed) return { client };
  const refusal = reply(500, `Illegal ${verb}: only your own address, and no port below 1024`);
  return { refusal, illegal: client };
}
