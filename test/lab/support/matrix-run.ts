import { expect, vi } from 'vitest';
import type { Lab } from './lab.ts';
import type { Family, MatrixClient, Mode, Place } from './matrix-client.ts';
import { startDirect } from './matrix-direct.ts';
import { explanationOf } from './matrix-explained.ts';
import { type Expected, has, type Operation, operate } from './matrix-operations.ts';
import { FERRYS_HOME, type MatrixServer } from './matrix-server.ts';
import { labelOf, type Outcome, placeless } from './matrix-table.ts';
import type { Program } from './program.ts';
import { holdings } from './sockets.ts';
import type { FtpHost } from './topology.ts';
import { YOU } from './users.ts';

const LOOPBACK: Record<Family, string> = { 4: '127.0.0.1', 6: '::1' };

/** What a matrix is tried with. */
export interface MatrixSetup {
  /** Its host A runs the clients and sshferry. */
  readonly lab: Lab;
  readonly sshferry: Program;
  readonly expected: Expected;
  readonly operations: readonly Operation[];
  readonly servers: readonly MatrixServer[];
  /**
   * Whether each client is tried with each server in all its modes and families. Otherwise in one
   * of them, which rotates from server to server, so that a client goes through all that it has.
   */
  readonly whole: boolean;
}

type Cell = Pick<Outcome, 'client' | 'server' | 'mode' | 'family'>;

/**
 * Tries clients with servers through one sshferry, each failing cell also without it, and collects
 * the outcomes.
 */
export class Matrix {
  readonly outcomes: Outcome[] = [];
  /** In the order in which they were tried. */
  readonly #clients: string[] = [];
  readonly #setup: MatrixSetup;
  #direct: Promise<string> | null = null;

  constructor(setup: MatrixSetup) {
    this.#setup = setup;
  }

  /** The servers' names. */
  get servers(): string[] {
    return this.#setup.servers.map(({ name }) => name);
  }

  /**
   * Tries what a client can do with each server. Returns the failures that are not known, or not
   * the same without sshferry.
   */
  async try(client: MatrixClient): Promise<string[]> {
    if (!this.#clients.includes(client.name)) this.#clients.push(client.name);
    const before = this.outcomes.length;
    await Promise.all(this.#setup.servers.map((server) => this.#tryServer(client, server)));
    const tried = this.outcomes.slice(before);
    const planned = this.#setup.servers.flatMap((server) =>
      this.#cells(client, server).flatMap(({ family }) => this.#operationsOf(client, server, family)),
    );
    expect(tried).toHaveLength(planned.length);
    return (
      tried
        .filter((outcome) => outcome.error !== null)
        // The same has to go wrong: another error would be sshferry's own.
        .filter((outcome) => outcome.direct !== outcome.error || explanationOf(outcome) === undefined)
        .map((outcome) => {
          const without = outcome.direct ?? 'all is well';
          return `${outcome.server}, ${labelOf(outcome)}: ${outcome.error}\n=== without sshferry: ${without}`;
        })
    );
  }

  /** Returns where a client reaches the server itself. */
  async withoutSshferry(server: FtpHost, mode: Mode, family: Family): Promise<Place> {
    const { lab } = this.#setup;
    this.#direct ??= startDirect(lab);
    const host = lab.hosts.c[server].inner?.[`v${family}`] ?? '';
    return { container: await this.#direct, host, port: 21, mode, home: FERRYS_HOME.home };
  }

  /** Waits until sshferry holds nothing but its listeners and the SSH connections. */
  async nothingIsLeft(): Promise<void> {
    const { lab, sshferry } = this.#setup;
    await vi.waitFor(
      async () => {
        const { listeners, connections } = await holdings(lab.hosts.a.container, sshferry.pid, YOU);
        const open = new Set(listeners.map((listener) => Number(listener.replace(/.*:/, ''))));
        expect([...open].sort()).toEqual(this.#ports.sort());
        expect(connections.filter((both) => !both.endsWith(':22'))).toEqual([]);
      },
      { timeout: 20_000, interval: 500 },
    );
  }

  /**
   * What a client is tried with over one family: `many` takes long, and is done over the client's
   * first alone.
   */
  #operationsOf(client: MatrixClient, server: MatrixServer, family: Family): Operation[] {
    const here = (name: Operation) => name !== 'many' || family === client.families[0];
    const { operations = this.#setup.operations } = server;
    return operations.filter((name) => has(client, name) && here(name));
  }

  /** The ports that sshferry listens on. */
  get #ports(): number[] {
    return this.#setup.servers.flatMap(({ port, shiftJisPort }) => [port, shiftJisPort ?? []].flat());
  }

  async #tryServer(client: MatrixClient, server: MatrixServer): Promise<void> {
    for (const cell of this.#cells(client, server)) {
      const operations = this.#operationsOf(client, server, cell.family);
      const wrong = await this.#attempt(client, operations, server, cell, false);
      const red = operations.filter((operation) => wrong.get(operation) !== null);
      const direct =
        red.length > 0 ? await this.#attempt(client, red, server, cell, true) : new Map<Operation, string>();
      for (const operation of operations) {
        const error = wrong.get(operation) ?? null;
        this.outcomes.push({ ...cell, operation, error, direct: direct.get(operation) ?? null });
      }
    }
  }

  /** The modes and families in which a client is tried with a server. */
  #cells(client: MatrixClient, { name: server }: MatrixServer): Cell[] {
    const all = client.modes.flatMap((mode) =>
      client.families.map((family): Cell => ({ client: client.name, server, mode, family })),
    );
    if (this.#setup.whole) return all;
    const turn = this.servers.indexOf(server) + this.#clients.indexOf(client.name);
    return all.slice(turn % all.length, (turn % all.length) + 1);
  }

  async #attempt(
    client: MatrixClient,
    operations: readonly Operation[],
    server: MatrixServer,
    { mode, family }: Cell,
    directly: boolean,
  ): Promise<Map<Operation, string | null>> {
    const { lab, expected } = this.#setup;
    const { name, port, shiftJisPort, clientHome, direct } = server;
    const place: Place = directly
      ? await this.withoutSshferry(direct, mode, family)
      : { container: lab.hosts.a.container, host: LOOPBACK[family], port, mode, home: clientHome };
    const shiftJis: Place | null =
      directly || shiftJisPort === undefined ? null : { ...place, port: shiftJisPort, charset: 'shift_jis' };
    const own = `${client.name.replaceAll(/\W+/g, '-')}-${mode}-${family}`;
    const work = {
      place,
      shiftJis,
      server: directly ? { ...FERRYS_HOME, container: lab.hosts.c[direct].container } : server,
      local: `/tmp/matrix/${name}-${own}`,
      // Cells of several servers may be re-run at the same time with one FTP server.
      remote: `incoming/${name}-${own}`,
    };
    const before = directly ? [] : await this.#dataConnections();
    const wrong = await operate(client, operations, { ...work, expected });
    if (!directly && wrong.get('abort') === null) {
      await this.#noneOfItsDataIsLeft(before).catch((error: Error) => wrong.set('abort', error.message));
    }
    for (const [operation, error] of wrong) wrong.set(operation, error && placeless(error, place));
    return wrong;
  }

  /**
   * sshferry's data connections, as far as clients see them; other clients' of this moment among
   * them.
   */
  async #dataConnections(): Promise<string[]> {
    const { lab, sshferry } = this.#setup;
    const ports = this.#ports;
    const { connections } = await holdings(lab.hosts.a.container, sshferry.pid, YOU);
    return connections.filter(
      (both) => !both.endsWith(':22') && !ports.some((port) => both.split(' ')[0]?.endsWith(`:${port}`)),
    );
  }

  /** Every data connection that was not there before has to end soon, this client's and others'. */
  async #noneOfItsDataIsLeft(before: readonly string[]): Promise<void> {
    const now = (await this.#dataConnections()).filter((both) => !before.includes(both));
    if (now.length === 0) return;
    await vi.waitFor(
      async () => {
        const left = new Set(await this.#dataConnections());
        expect(now.filter((both) => left.has(both))).toEqual([]);
      },
      { timeout: 20_000, interval: 200 },
    );
  }
}
