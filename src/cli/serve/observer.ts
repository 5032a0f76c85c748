import type { Components } from '../../app/compose.ts';
import type { RunRequest } from '../../app/run-request.ts';
import type { TunnelWatcher } from '../../app/tunnel.ts';
import { GatewayError } from '../../core/errors.ts';
import type { GatewayEmitter } from '../../core/events.ts';
import type { ForwardSpec } from '../../core/forward.ts';
import type { Gateway } from '../../core/gateway.ts';
import { keepLedger, Ledger } from '../../status/ledger.ts';
import type { Stopping } from '../../status/protocol.ts';
import type { StatusSource } from '../../status/server.ts';
import { isUnicodeLocale } from '../display/terminal-style.ts';
import { announce, listeningPorts, warnUnverified } from './announce.ts';
import type { LogOutput, ServeEnvironment } from './log-output.ts';
import { reportEvents } from './reporter.ts';
import type { ShutdownCauses } from './shutdown-causes.ts';

/** A tunnel, as its observers need it. */
export interface Observed {
  readonly request: RunRequest;
  readonly output: LogOutput;
  readonly shutdown: ShutdownCauses;
  /** Returns what people call a server. */
  label(server: string): string;
  reload(): Promise<string[]>;
  /** Begins to end the tunnel, as SIGTERM does. */
  stop(): Stopping;
}

/**
 * Follows a tunnel: logs its events, serves its status, announces its forwards, and notices when it
 * fails for good.
 */
export class TunnelObserver implements TunnelWatcher {
  readonly #observed: Observed;
  readonly #environment: ServeEnvironment;
  #ports: ReadonlyMap<string, number> = new Map();
  #statusServer: Promise<{ close(): Promise<void> } | null> = Promise.resolve(null);

  constructor(observed: Observed, environment: ServeEnvironment) {
    this.#observed = observed;
    this.#environment = environment;
  }

  ended(): boolean {
    return this.#observed.shutdown.begun;
  }

  composed(gateway: Gateway): void {
    const { output, label } = this.#observed;
    const { events } = gateway;
    const ledger = this.#openLedger(gateway);
    output.transfers?.follow(events, ledger);
    this.#serveStatus(ledger);
    reportEvents(events, output.log, label);
    this.#ports = listeningPorts(events);
    this.#shutDownOnFailure(events);
  }

  listening(forwards: readonly ForwardSpec[], { resolved }: Components): void {
    const { output } = this.#observed;
    const { env, platform } = this.#environment;
    warnUnverified(forwards, output.log);
    announce(forwards, resolved.logins, this.#ports, {
      people: output.people,
      log: output.json,
      unicode: isUnicodeLocale(env, platform),
    });
  }

  /** Closes the status server. */
  async close(): Promise<void> {
    await (await this.#statusServer)?.close();
  }

  #openLedger(gateway: Gateway): Ledger {
    const { label } = this.#observed;
    const { version } = this.#environment;
    const dataConnections = (server: string) => gateway.dataConnections(server);
    const connection = (server: string) => gateway.connection(server);
    const facts = { version, pid: process.pid, label, dataConnections, connection };
    const ledger = new Ledger(facts, Date.now());
    keepLedger(ledger, gateway.events);
    return ledger;
  }

  #serveStatus(ledger: Ledger): void {
    const { request, reload, stop } = this.#observed;
    const status = () => ledger.status(Date.now());
    this.#statusServer = this.#openStatusServer({
      status,
      reload: request.source.kind === 'file' ? reload : null,
      stop: () => stop(),
    });
  }

  /** Never rejects: a tunnel without a status server is worth a warning, but works. */
  async #openStatusServer(source: StatusSource): Promise<{ close(): Promise<void> } | null> {
    try {
      return await this.#environment.serveStatus(source);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#observed.output.log.warn(
        { event: 'status.unavailable' },
        `sshferry status will not find this process: ${why}`,
      );
      return null;
    }
  }

  #shutDownOnFailure(events: GatewayEmitter): void {
    const { shutdown, label } = this.#observed;
    events.on('transport.state', ({ server, state, error }) => {
      if (state !== 'failed') return;
      const failure = error ?? new GatewayError('SSH_LOST', `the connection to ${label(server)} is lost`);
      shutdown.add({ kind: 'failed', error: failure });
    });
  }
}
