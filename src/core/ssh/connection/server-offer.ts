import type { AlgorithmKind } from './algorithms.ts';

/**
 * The algorithms that a server offers, by ssh_config's names: comma-separated, as received. If the
 * directions differ, those for the client's data.
 */
export type ServerOffer = Readonly<Record<AlgorithmKind, string>>;

const SSH_MSG_KEXINIT = 20;
const COOKIE = 16;
/** The first name-lists of SSH_MSG_KEXINIT, in order. The others are not used here. */
const LISTS = ['KexAlgorithms', 'HostKeyAlgorithms', 'Ciphers', 'toClient', 'MACs'] as const;

/**
 * Reads the SSH_MSG_KEXINIT (RFC 4253 7.1), which follows the server's identification unencrypted.
 * `heard` is all that the server has sent so far. Returns null if the message is incomplete or
 * missing.
 */
export function serverOffer(heard: Buffer): ServerOffer | null {
  const identification = /^SSH-[^\n]*\n/m.exec(heard.toString('latin1'));
  if (identification === null) return null;
  // RFC 4253 6: packet_length, padding_length, payload.
  const packet = heard.subarray(identification.index + identification[0].length);
  if (packet.length < 6 || packet.length < 4 + packet.readUInt32BE(0) || packet[5] !== SSH_MSG_KEXINIT)
    return null;
  const lists: Partial<Record<(typeof LISTS)[number], string>> = {};
  let at = 6 + COOKIE;
  for (const name of LISTS) {
    if (packet.length < at + 4) return null;
    const end = at + 4 + packet.readUInt32BE(at);
    if (packet.length < end) return null;
    lists[name] = packet.toString('latin1', at + 4, end);
    at = end;
  }
  const { KexAlgorithms = '', HostKeyAlgorithms = '', Ciphers = '', MACs = '' } = lists;
  return { KexAlgorithms, HostKeyAlgorithms, Ciphers, MACs };
}
