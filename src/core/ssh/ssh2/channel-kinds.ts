import type { Channel, Client } from 'ssh2';
import { type Endpoint, formatEndpoint } from '../../endpoint.ts';
import { GatewayError } from '../../errors.ts';
import { singleLine } from '../../text/control-characters.ts';
import type { ChannelUse, ReceiveWindow } from '../connection/receive-window.ts';
import {
  channelRefused,
  closedAtOnce,
  type Reached,
  sessionRefused,
  socketRefused,
  subsystemEnded,
  subsystemRefused,
} from '../connection/refusals.ts';
import { openDirect, openStreamLocal } from './port.ts';

/** ssh2's error for a channel; `reason`: the code of the server's refusal. */
export type OpenError = Error & { reason?: unknown };

/** Called once, with the error, or with the channel and its window. */
export type Opened = (error: OpenError | null, channel?: Channel, window?: ReceiveWindow) => void;

/** A kind of channel to open, without I/O of its own. */
export interface ChannelKind {
  /** The far end, for messages. */
  readonly where: string;
  open(client: Client, done: Opened): void;
  /** Returns the error for a channel that was not opened. */
  refused(error: OpenError): GatewayError;
  /** Returns the error for a channel that was closed as soon as it was open. */
  closed(): GatewayError;
}

/** A TCP connection from the server (direct-tcpip, RFC 4254 7.2). */
export function directTcpip(to: Endpoint, use: ChannelUse, server: string, reached: Reached): ChannelKind {
  return {
    where: formatEndpoint(to),
    open: (client, done) =>
      openDirect(client, to, use, (error, channel, window) => {
        if (error === null) reached.last = to;
        done(error, channel, window);
      }),
    refused: (error) => {
      const words = wordsOf(error);
      if (typeof error.reason === 'number')
        return channelRefused(to, server, error.reason, words, reached.last);
      return new GatewayError(
        'CHANNEL_REFUSED',
        `${server}, on the way to ${formatEndpoint(to)}: ${singleLine(words)}`,
        { cause: error },
      );
    },
    closed: () => closedAtOnce(formatEndpoint(to), server),
  };
}

/** A connection to a Unix socket of the server (direct-streamlocal, PROTOCOL of OpenSSH 2.4). */
export function directStreamLocal(path: string, use: ChannelUse, server: string): ChannelKind {
  return {
    where: path,
    open: (client, done) => openStreamLocal(client, path, use, done),
    refused: (error) => socketRefused(path, server, Number(error.reason), wordsOf(error)),
    closed: () => closedAtOnce(path, server),
  };
}

/** A subsystem of the server, in a session of its own (RFC 4254 6.5). */
export function subsystem(name: string, server: string): ChannelKind {
  return {
    where: `the subsystem ${name}`,
    open: (client, done) => {
      client.subsys(name, (error, channel) => (error ? done(error) : done(null, channel)));
    },
    refused: (error) =>
      typeof error.reason === 'number'
        ? sessionRefused(name, server, wordsOf(error), error)
        : subsystemRefused(name, server, error),
    closed: () => subsystemEnded(name, server),
  };
}

/** Returns the server's text, without the prefix that ssh2 adds. */
function wordsOf(error: Error): string {
  return error.message.replace(/^\(SSH\) Channel open failure: /, '');
}
