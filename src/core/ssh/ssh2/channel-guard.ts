import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import { GatewayError } from '../../errors.ts';
import { overrun } from '../connection/violations.ts';
import { handlerOf, intercept, internals, protocolOf } from './internals.ts';

/** The smallest usable packet size, in bytes. Every side must accept 32,768 (RFC 4253 6.1). */
const SMALLEST_PACKET = 1024;
/** SSH_OPEN_RESOURCE_SHORTAGE (RFC 4254 5.1). */
const SHORTAGE = 4;
/** How many requests are answered while the server reads no answer. */
const MOST_UNREAD_ANSWERS = 10_000;

interface OpenInfo {
  readonly sender: number;
  readonly packetSize: number;
}

/**
 * Enforces the limits of channels (RFC 4254 5) that ssh2 1.17.0 does not check: usable packet
 * sizes, no data beyond the window, a bound on answers that the server does not read. With packets
 * of 0 bytes, ssh2's `_write` loops forever.
 *
 * Call it between `connect` and the first data. A ChannelStream counts its own window.
 */
export function guardChannels(client: Client, socket: Duplex, host: string): void {
  refuseSmallPackets(client);
  limitUnclaimedData(client, host);
  limitAnswers(client, socket, host);
}

function refuseSmallPackets(client: Client): void {
  const tooSmall = (size: number) =>
    `the maximum packet size of ${size} bytes is too small; at least ${SMALLEST_PACKET} are needed`;
  const protocol = protocolOf(client);
  const fail = handlerOf<[recipient: number, reason: undefined, text: string]>(
    client,
    'CHANNEL_OPEN_FAILURE',
  );
  intercept<[info: OpenInfo & { readonly recipient: number }]>(
    client,
    'CHANNEL_OPEN_CONFIRMATION',
    ([info], pass) => {
      if (info.packetSize >= SMALLEST_PACKET) return pass(info);
      protocol.channelClose(info.sender);
      // No reason code: the text is sshferry's, not the server's.
      fail(info.recipient, undefined, tooSmall(info.packetSize));
    },
  );
  intercept<[info: OpenInfo]>(client, 'CHANNEL_OPEN', ([info], pass) => {
    if (info.packetSize >= SMALLEST_PACKET) pass(info);
    else protocol.channelOpenFail(info.sender, SHORTAGE, tooSmall(info.packetSize));
  });
}

/** Limits data on channels without a ChannelStream, such as a session whose request is pending. */
function limitUnclaimedData(client: Client, host: string): void {
  const check = (recipient: number, data: Buffer) => {
    const channel = internals(client)._chanMgr.get(recipient);
    if (typeof channel === 'object' && data.length > channel.incoming.window) throw overrun(host);
  };
  intercept<[recipient: number, data: Buffer]>(client, 'CHANNEL_DATA', ([recipient, data], pass) => {
    check(recipient, data);
    pass(recipient, data);
  });
  intercept<[recipient: number, data: Buffer, type: number]>(
    client,
    'CHANNEL_EXTENDED_DATA',
    ([recipient, data, type], pass) => {
      check(recipient, data);
      pass(recipient, data, type);
    },
  );
}

/**
 * Ends the connection when the server keeps asking but reads no answer: they would pile up here.
 */
function limitAnswers(client: Client, socket: Duplex, host: string): void {
  let unread = 0;
  socket.on('drain', () => {
    unread = 0;
  });
  const count = () => {
    unread = socket.writableLength === 0 ? 0 : unread + 1;
    if (unread <= MOST_UNREAD_ANSWERS) return;
    throw new GatewayError(
      'SSH_LOST',
      `sshferry closed the SSH connection to ${host}: the server sent ${unread} requests without reading an answer`,
    );
  };
  for (const name of ['GLOBAL_REQUEST', 'CHANNEL_OPEN', 'CHANNEL_REQUEST']) {
    intercept(client, name, (fields, pass) => {
      count();
      pass(...fields);
    });
  }
}
