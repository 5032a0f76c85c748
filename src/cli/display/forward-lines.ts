import type { Endpoint } from '../../core/endpoint.ts';
import { formatEndpoint, isLoopback, sameHost } from '../../core/endpoint.ts';
import { shown } from './text.ts';

/** What people are told of one forward that listens. */
export interface ForwardInfo {
  readonly type: string;
  readonly direction: 'local' | 'remote';
  /** Where it listens, with the host as it was asked for (`localhost`, `*`, an address) and the port that was bound. */
  readonly listen: Endpoint;
  readonly target: Endpoint;
  /** The SSH server: `user@host` for people, and the names that it is known by. */
  readonly server: { readonly label: string; readonly host: string; readonly hostName: string };
}

/**
 * One aligned line per forward: type, both ends, and what goes through which SSH server; below it a remark where the target
 * is another host, because the way from the SSH server to there is outside SSH. `unicode` false keeps to ASCII.
 */
export function forwardLines(forwards: readonly ForwardInfo[], { unicode }: { unicode: boolean }): string[] {
  const rows = forwards.map((forward) => ({
    forward,
    type: forward.type,
    listen: `${formatEndpoint(forward.listen)}${forward.direction === 'remote' ? ` on ${forward.server.host}` : ''}`,
    target: `${formatEndpoint(forward.target)}${forward.direction === 'remote' ? ' here' : ''}`,
  }));
  const width = (column: 'type' | 'listen' | 'target') => Math.max(...rows.map((row) => row[column].length));
  const [types, listens, targets] = [width('type'), width('listen'), width('target')];
  const lines = rows.flatMap(({ forward, type, listen, target }) => {
    const ends = `${listen.padEnd(listens)} ${unicode ? '→' : '->'} ${target.padEnd(targets)}`;
    const through = `${type === 'ftp' ? 'control and data ' : ''}through ${forward.server.label}`;
    const line = `${type.padEnd(types)}  ${ends}  ${through}`;
    const remark = outsideRemark(forward);
    return remark === null ? [line] : [line, `${' '.repeat(types)}  ${remark}`];
  });
  return lines.map((line) => shown(line, { unicode }));
}

/** Says that the last leg is outside SSH; null where the target is the host at that end of SSH itself. */
export function outsideRemark({
  direction,
  server,
  target,
}: Pick<ForwardInfo, 'direction' | 'server' | 'target'>): string | null {
  if (direction === 'remote') {
    return isLoopback(target.host)
      ? null
      : `note: from this machine on to ${target.host} the data travels outside SSH`;
  }
  const own =
    isLoopback(target.host) || [server.host, server.hostName].some((name) => same(name, target.host));
  return own ? null : `note: from ${server.host} on to ${target.host} the data travels outside SSH`;
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase() || sameHost(a, b);
}
