import { type Endpoint, formatEndpoint } from '../../endpoint.ts';
import type { GatewayError } from '../../errors.ts';
import type { ChannelUse } from '../connection/receive-window.ts';
import {
  channelRefused,
  closedAtOnce,
  type Reached,
  sessionRefused,
  socketRefused,
  subsystemEnded,
  subsystemRefused,
} from '../connection/refusals.ts';
import type { ChannelTable, Refusal } from './channel-table.ts';
import { type Announced, connectionMessages } from './connection-messages.ts';
import type { OpenSshPort } from './port.ts';

/** A kind of channel to open, without I/O of its own. */
export interface ChannelKind {
  /** The far end, for messages. */
  readonly where: string;
  readonly use: ChannelUse;
  message(announced: Announced): Buffer;
  /** Returns the error for a channel that the server refused. */
  refused(refusal: Refusal): GatewayError;
  /** Returns the error for a channel that was closed as soon as it was open. */
  closed(): GatewayError;
  /**
   * Sends what the open channel still needs. Calls `done` with null when it is ready, else with the
   * error.
   */
  begin(table: ChannelTable, port: OpenSshPort, done: (error: GatewayError | null) => void): void;
}

/** A TCP connection from the server (direct-tcpip, RFC 4254 7.2). */
export function directTcpip(to: Endpoint, use: ChannelUse, server: string, reached: Reached): ChannelKind {
  return {
    where: formatEndpoint(to),
    use,
    message: (announced) => connectionMessages.openDirectTcpip(announced, to),
    refused: ({ reason, text }) => channelRefused(to, server, reason, text, reached.last),
    closed: () => closedAtOnce(formatEndpoint(to), server),
    begin: (_table, _port, done) => {
      reached.last = to;
      done(null);
    },
  };
}

/** A Unix socket of the server (OpenSSH's PROTOCOL, 2.4). */
export function directStreamLocal(path: string, use: ChannelUse, server: string): ChannelKind {
  return {
    where: path,
    use,
    message: (announced) => connectionMessages.openDirectStreamLocal(announced, path),
    refused: ({ reason, text }) => socketRefused(path, server, reason, text),
    closed: () => closedAtOnce(path, server),
    begin: (_table, _port, done) => done(null),
  };
}

/** A subsystem of the server, in a session of its own (RFC 4254 6.5). */
export function subsystem(name: string, use: ChannelUse, server: string): ChannelKind {
  return {
    where: `the subsystem ${name}`,
    use,
    message: (announced) => connectionMessages.openSession(announced),
    refused: ({ text }) => sessionRefused(name, server, text, new Error(text)),
    closed: () => subsystemEnded(name, server),
    begin: (table, port, done) =>
      table.subsystem(port, name, (granted) =>
        done(granted ? null : subsystemRefused(name, server, new Error('the request was refused'))),
      ),
  };
}
