import type { Logins } from '../../app/compose.ts';
import type { GatewayEmitter } from '../../core/events.ts';
import type { ForwardSpec } from '../../core/forward.ts';
import type { Logger } from '../../core/log.ts';
import type { LogFields } from '../../core/log-events.ts';
import { type ForwardInfo, forwardLines, outsideRemark } from '../display/forward-lines.ts';
import type { Output } from '../display/output.ts';

/** Returns a map, kept up to date, of the port that each forward is bound to. */
export function listeningPorts(events: GatewayEmitter): ReadonlyMap<string, number> {
  const ports = new Map<string, number>();
  events.on('forward.listening', ({ forward, endpoint }) => ports.set(forward, endpoint.port));
  return ports;
}

/**
 * Shows people (`stdout`) and programs (`log`) what each forward does. Call it when all of them
 * listen.
 */
export function announce(
  forwards: readonly ForwardSpec[],
  logins: Logins,
  ports: ReadonlyMap<string, number>,
  { stdout, log, unicode }: { stdout: Output | null; log: Logger | null; unicode: boolean },
): void {
  const infos = forwards.map((spec) => describe(spec, logins, ports));
  if (stdout)
    stdout.write(
      forwardLines(infos, { unicode })
        .map((line) => `${line}\n`)
        .join(''),
    );
  for (const [index, info] of infos.entries()) {
    const { type, direction, listen, target, server } = info;
    const fields = {
      event: 'forward.ready',
      forward: forwards[index]?.name,
      type,
      direction,
      listen,
      target,
      server: server.label,
      outsideSsh: outsideRemark(info) !== null,
    } satisfies LogFields<'info'>;
    log?.info(fields, forwardLines([info], { unicode: false }).join('; '));
  }
}

function describe(
  { name, direction, plugin, bind, target, server }: ForwardSpec,
  logins: Logins,
  ports: ReadonlyMap<string, number>,
): ForwardInfo {
  const login = logins.get(server)?.options;
  return {
    type: plugin.name,
    direction,
    listen: { host: bind.host, port: ports.get(name) ?? bind.port },
    target,
    server: {
      label: login ? `${login.user}@${login.host}` : server,
      host: login?.host ?? server,
      hostName: login?.hostName ?? server,
    },
  };
}
