import { formatEndpoint, isSocketPath } from '../../endpoint.ts';
import { GatewayError } from '../../errors.ts';
import { type Destination, tcpEndpoint } from '../../target.ts';

/**
 * Returns the arguments of one `ssh` that opens a stream through the master at `socket`. Throws
 * `CHANNEL_REFUSED` for what `ssh -W` cannot name.
 *
 * Without a master, ssh would log in by itself. Then it runs the ProxyCommand, which says nothing
 * and ends; BatchMode and `-F none` leave it no question and no configuration. `-v` prints when the
 * server has opened the stream.
 */
export function clientArguments(socket: string, host: string, destination: Destination): string[] {
  return [
    ...['-F', 'none', '-v', '-T', '-e', 'none', '-S', socket.replaceAll('%', '%%')],
    ...['-o', 'ControlMaster=no', '-o', 'BatchMode=yes', '-o', 'ProxyCommand=false'],
    ...('subsystem' in destination
      ? ['-s', '--', host, destination.subsystem]
      : ['-W', wordFor(destination, host), '--', host]),
  ];
}

function wordFor(destination: Exclude<Destination, { subsystem: string }>, server: string): string {
  // With a path, ssh -W of some versions opens a shell.
  if ('unix' in destination) throw noUnixSockets(destination.unix, server);
  const { host, port } = tcpEndpoint(destination);
  if (isSocketPath(host)) throw noUnixSockets(host, server);
  const ok = /^[^\s\p{Cc}[\]\\]+$/u.test(host);
  if (!ok) throw refused(`ssh -W cannot name the host ${JSON.stringify(host)}`);
  return formatEndpoint({ host, port });
}

function noUnixSockets(path: string, server: string): GatewayError {
  return refused(`${path} cannot be reached through the ssh master of ${server}: ssh -W supports ports only`);
}

function refused(what: string): GatewayError {
  return new GatewayError('CHANNEL_REFUSED', what, {
    hint: 'omit -S, so that sshferry logs in itself',
    reason: 'unknown-type',
  });
}
