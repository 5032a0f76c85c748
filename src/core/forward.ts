import type { ListenTls } from './client-tls.ts';
import type { Bind } from './listener.ts';
import type { ProtocolPlugin } from './plugin.ts';
import type { SocketFile } from './socket-file.ts';
import type { Target } from './target.ts';
import type { TargetTls } from './target-tls.ts';

/** One forward: where it listens, which plugin serves it, where it leads. */
export interface ForwardSpec<C = unknown> {
  /** For logs and status; unique in a gateway. */
  readonly name: string;
  /**
   * `local` listens on this machine and dials through SSH (`-L`); `remote` is the other way round
   * (`-R`).
   */
  readonly direction: 'local' | 'remote';
  readonly plugin: ProtocolPlugin<C>;
  /** The configuration, as parsed by `plugin.schema`. */
  readonly pluginConfig: C;
  /** Key into the gateway's transports. */
  readonly server: string;
  readonly bind: Bind;
  /** How to create the Unix socket if `bind` is one of this machine. Default: PRIVATE_SOCKET. */
  readonly socketFile?: SocketFile | undefined;
  readonly target: Target;
  /** TLS with the target. Default: none; the client's bytes go there unchanged. */
  readonly tls?: TargetTls | undefined;
  /** TLS with the clients. Default: none. */
  readonly listenTls?: ListenTls | undefined;
}

/**
 * Ties a plugin to its own configuration, so that forwards of different protocols fit in one list.
 */
export function forward<C>(spec: ForwardSpec<C>): ForwardSpec {
  // A ForwardSpec<C> is consistent in itself; the gateway only ever hands pluginConfig back to its
  // own plugin.
  return spec as unknown as ForwardSpec;
}

/**
 * Whether a gateway with these forwards can start before a server can be reached. It can if any of
 * them serves clients without a connection: those clients must not be lost because another server
 * is down. It needs a server that has to listen for it.
 */
export function canStartWithout(server: string, forwards: readonly ForwardSpec[]): boolean {
  const serves = forwards.some(({ plugin, pluginConfig }) => plugin.servesUnconnected?.(pluginConfig));
  return serves && !forwards.some((spec) => spec.server === server && spec.direction === 'remote');
}
