import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import { GatewayError } from '../errors.ts';
import { handlerOf, intercept, internals, protocolOf } from './ssh2-internals.ts';

/** The smallest packets that are worth a channel, in bytes; RFC 4253 6.1 has every side take 32,768. */
const SMALLEST_PACKET = 1024;
/** SSH_OPEN_RESOURCE_SHORTAGE (RFC 4254 5.1). */
const SHORTAGE = 4;
/** How many messages that want an answer are read while the server does not take the answers. */
const MOST_UNANSWERED = 10_000;

interface OpenInfo {
  readonly sender: number;
  readonly packetSize: number;
}

/**
 * Holds the server to what a channel can be (RFC 4254 5): packets large enough to carry something, no data beyond the window, answers
 * that are taken. ssh2 1.17.0 checks none of it: with packets of 0 bytes its `_write` never ends. To be called between `connect` and the
 * first data. What a ChannelStream has taken over it counts itself.
 */
export function guardChannels(client: Client, socket: Duplex, host: string): void {
  refuseSmallPackets(client);
  limitUnclaimedData(client, host);
  limitAnswers(client, socket, host);
}

function refuseSmallPackets(client: Client): void {
  const words = (size: number) => `packets of ${size} bytes are too small; ${SMALLEST_PACKET} are needed`;
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
      // No reason code: these are our words, not the server's.
      fail(info.recipient, undefined, words(info.packetSize));
    },
  );
  intercept<[info: OpenInfo]>(client, 'CHANNEL_OPEN', ([info], pass) => {
    if (info.packetSize >= SMALLEST_PACKET) pass(info);
    else protocol.channelOpenFail(info.sender, SHORTAGE, words(info.packetSize));
  });
}

/** Data for a channel that no ChannelStream reads yet, such as a session's before its request is granted. */
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

/** A server that asks and asks, and reads no answer, would have them pile up here. */
function limitAnswers(client: Client, socket: Duplex, host: string): void {
  let unanswered = 0;
  socket.on('drain', () => {
    unanswered = 0;
  });
  const count = () => {
    unanswered = socket.writableLength === 0 ? 0 : unanswered + 1;
    if (unanswered <= MOST_UNANSWERED) return;
    throw new GatewayError('SSH_LOST', `${host} asked ${unanswered} times without reading an answer`);
  };
  for (const name of ['GLOBAL_REQUEST', 'CHANNEL_OPEN', 'CHANNEL_REQUEST']) {
    intercept(client, name, (fields, pass) => {
      count();
      pass(...fields);
    });
  }
}

/** For a server that sends more than it was allowed to. */
export function overrun(host: string): GatewayError {
  return new GatewayError(
    'SSH_LOST',
    `the SSH connection to ${host} was closed here: the server sent more than its receive window allows (RFC 4254 5.2)`,
  );
}
