import type { Logins } from '../../app/compose.ts';
import type { AnyPlugin } from '../../app/plugins.ts';
import type { GatewayEmitter } from '../../core/events.ts';
import type { ForwardSpec } from '../../core/forward.ts';
import type { Logger } from '../../core/log.ts';
import type { LogFields } from '../../core/log-events.ts';
import type { TlsProtection } from '../../core/target-tls.ts';
import { type ForwardInfo, forwardLines, outsideRemark } from '../display/forward-lines.ts';
import type { Output } from '../display/output.ts';

/** Returns a map, kept up to date, of the port that each forward is bound to. */
export function listeningPorts(events: GatewayEmitter): ReadonlyMap<string, number> {
  const ports = new Map<string, number>();
  events.on('forward.listening', ({ forward, endpoint }) => ports.set(forward, endpoint.port));
  return ports;
}

/**
 * Shows what each forward does, to people and to programs that read `log`. Call it when all of
 * them listen.
 */
export function announce(
  forwards: readonly ForwardSpec[],
  logins: Logins,
  ports: ReadonlyMap<string, number>,
  { people, log, unicode }: { people: Output | null; log: Logger | null; unicode: boolean },
): void {
  const infos = forwards.map((spec) => describe(spec, logins, ports));
  people?.write(
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

/** Warns of each forward that accepts any certificate of its target. */
export function warnUnverified(forwards: readonly ForwardSpec[], log: Logger): void {
  for (const { name, tls } of forwards) {
    if (tls === undefined || tls.verified) continue;
    const text = `${name} accepts any certificate of its target: any server that answers there gets passwords and files`;
    log.warn({ event: 'tls.unverified', forward: name }, text);
  }
}

function describe(
  { name, direction, plugin, bind, target, server, tls, listenTls }: ForwardSpec,
  logins: Logins,
  ports: ReadonlyMap<string, number>,
): ForwardInfo {
  const login = logins.get(server)?.options;
  return {
    type: typeName(plugin, tls ?? null),
    direction,
    listen: { host: bind.host, port: ports.get(name) ?? bind.port },
    target,
    tls: tls ?? null,
    listenTls: listenTls ?? null,
    server: {
      label: login ? `${login.user}@${login.host}` : server,
      host: login?.host ?? server,
      hostName: login?.hostName ?? server,
    },
  };
}

/** Returns the type of a forward as people name it, such as `pop3s`. */
function typeName({ name, tlsTypes = {} }: AnyPlugin, tls: TlsProtection | null): string {
  const types = Object.entries(tlsTypes);
  return tls === null ? name : (types.find(([, mode]) => mode === tls.mode)?.[0] ?? name);
}
