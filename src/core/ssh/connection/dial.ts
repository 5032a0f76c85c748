import { once } from 'node:events';
import net from 'node:net';
import { GatewayError } from '../../errors.ts';
import type { SshOptions } from '../options.ts';
import { whereOf } from './login-failures.ts';

/**
 * How long to try each of a name's addresses, in milliseconds. Node's own 250 is too short for IPv6
 * over a slow link.
 */
const NEXT_ADDRESS = 2000;

/** Node's numbers for address families. */
const FAMILY = { any: 0, inet: 4, inet6: 6 } as const;

/**
 * Opens the TCP connection to the SSH server, with TCP_NODELAY. Calls `onAddress` with each address
 * of its name. Rejects with `SSH_CONNECT`, or with the signal's reason.
 */
export async function dial(
  options: SshOptions,
  signal: AbortSignal,
  onAddress: (address: string) => void = () => {},
): Promise<net.Socket> {
  signal.throwIfAborted();
  const family = FAMILY[options.addressFamily];
  // Node decides by the address alone.
  const literal = net.isIP(options.hostName);
  if (literal !== 0 && family !== 0 && literal !== family) throw notConnected(options, { code: 'ENOTFOUND' });
  const socket = net.connect({
    host: options.hostName,
    port: options.port,
    family,
    ...(options.bindAddress !== null && { localAddress: options.bindAddress }),
    autoSelectFamily: family === 0,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS,
    noDelay: true,
    keepAlive: options.tcpKeepAlive,
  });
  socket.on('lookup', (error: Error | null, address: string) => {
    if (error === null && net.isIP(options.hostName) === 0) onAddress(address);
  });
  try {
    await once(socket, 'connect', { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw notConnected(options, error as NodeJS.ErrnoException);
  }
}

/** Returns the error for a connection that cannot be opened, by its system error: `SSH_CONNECT`. */
export function notConnected(options: SshOptions, error: Partial<NodeJS.ErrnoException>): GatewayError {
  const { hostName, port, addressFamily } = options;
  const where = whereOf(options);
  const failed = (why: string, hint?: string) =>
    new GatewayError('SSH_CONNECT', `cannot connect to ${where}: ${why}`, { hint, cause: error });

  switch (error.code) {
    case 'ENOTFOUND':
      if (addressFamily !== 'any') {
        const kind = `IPv${FAMILY[addressFamily]}`;
        return failed(
          `"${hostName}" has no ${kind} address, and only ${kind} is allowed (-${FAMILY[addressFamily]}, AddressFamily)`,
        );
      }
      return failed(`no host of the name "${hostName}"`, "check the spelling and this machine's DNS");
    case 'EAI_AGAIN':
      return failed(`the name "${hostName}" cannot be looked up now`, "check this machine's network and DNS");
    case 'ECONNREFUSED':
      return failed(`connection refused; does sshd run there, and on port ${port} (-p)?`);
    case 'ETIMEDOUT':
      return failed('no answer; a firewall may be in the way, or the host is down');
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return failed('no route to it', "check the address and this machine's network");
    case 'EADDRNOTAVAIL':
      return failed(
        options.bindAddress === null
          ? "no such address; check it and this machine's network"
          : `this machine cannot send from ${options.bindAddress} (BindAddress)`,
      );
    default:
      return failed(error.message || String(error.code));
  }
}
