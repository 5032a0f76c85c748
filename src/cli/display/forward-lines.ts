import type { ClientTlsFacts } from '../../core/client-tls.ts';
import type { Endpoint } from '../../core/endpoint.ts';
import { formatEndpoint, isLoopback, sameHost } from '../../core/endpoint.ts';
import { formatTarget, hostOf, isDynamic, type Target } from '../../core/target.ts';
import type { TlsProtection } from '../../core/target-tls.ts';
import { shown } from './text.ts';

/** One listening forward, as it is displayed. */
export interface ForwardInfo {
  readonly type: string;
  readonly direction: 'local' | 'remote';
  /** Where it listens: the requested host (`localhost`, `*`, an address) and the bound port. */
  readonly listen: Endpoint;
  readonly target: Target;
  /** TLS towards the target; null if sshferry speaks none there. */
  readonly tls: TlsProtection | null;
  /** TLS with the clients; null if there is none. */
  readonly listenTls: ClientTlsFacts | null;
  /** The SSH server: `user@host` for people, and its names. */
  readonly server: { readonly label: string; readonly host: string; readonly hostName: string };
}

/**
 * Returns one aligned line per forward: type, both ends, and what goes through which SSH server. If
 * the target is another host, a remark below says how the leg from the SSH server to it goes.
 * `unicode` false keeps to ASCII.
 */
export function forwardLines(forwards: readonly ForwardInfo[], { unicode }: { unicode: boolean }): string[] {
  const rows = forwards.map((forward) => ({
    forward,
    type: forward.type,
    listen: `${formatEndpoint(forward.listen)}${forward.direction === 'remote' ? ` on ${forward.server.host}` : ''}`,
    target: `${formatTarget(forward.target)}${forward.direction === 'remote' ? ' here' : ''}`,
  }));
  const width = (column: 'type' | 'listen' | 'target') => Math.max(...rows.map((row) => row[column].length));
  const [types, listens, targets] = [width('type'), width('listen'), width('target')];
  const lines = rows.flatMap(({ forward, type, listen, target }) => {
    const ends = `${listen.padEnd(listens)} ${unicode ? '→' : '->'} ${target.padEnd(targets)}`;
    const through = `${/^ftp/.test(type) ? 'control and data ' : ''}through ${forward.server.label}`;
    const line = `${type.padEnd(types)}  ${ends}  ${through}`;
    const remarks = [clientRemark(forward), tlsRemark(forward) ?? outsideRemark(forward)];
    return [
      line,
      ...remarks.filter((remark) => remark !== null).map((remark) => `${' '.repeat(types)}  ${remark}`),
    ];
  });
  return lines.map((line) => shown(line, { unicode }));
}

/** Returns a remark on TLS with the clients; null if there is none. */
function clientRemark({ listenTls }: ForwardInfo): string | null {
  if (listenTls === null) return null;
  const { mode, required } = listenTls;
  if (mode === 'implicit') return 'note: clients begin TLS with the first byte';
  return `note: clients ${required ? 'have to' : 'can'} begin TLS`;
}

/** Returns a remark that TLS protects the last leg; null if none does. */
function tlsRemark({ direction, server, target, tls }: ForwardInfo): string | null {
  if (tls === null) return null;
  const from = direction === 'remote' ? 'this machine' : server.host;
  const whom = tls.verified ? `verified as ${tls.serverName}` : 'the server is not verified';
  return `note: from ${from} to ${hostOf(target)}, the data travels in TLS (${whom})`;
}

/**
 * Returns a remark that the last leg is outside SSH; null if the target is the host at that end of
 * SSH itself, or if TLS protects the leg.
 */
export function outsideRemark({
  direction,
  server,
  target,
  tls,
}: Pick<ForwardInfo, 'direction' | 'server' | 'target' | 'tls'>): string | null {
  if (isDynamic(target)) {
    const from = direction === 'remote' ? 'this machine' : server.host;
    return `note: from ${from} to the client's target, the data travels outside SSH`;
  }
  const host = hostOf(target);
  if (host === null || tls !== null) return null;
  if (direction === 'remote') {
    return isLoopback(host) ? null : `note: from this machine to ${host}, the data travels outside SSH`;
  }
  const own = isLoopback(host) || [server.host, server.hostName].some((name) => same(name, host));
  return own ? null : `note: from ${server.host} to ${host}, the data travels outside SSH`;
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase() || sameHost(a, b);
}
