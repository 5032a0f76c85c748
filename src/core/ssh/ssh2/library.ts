import ssh2 from 'ssh2';

/*
 * This folder is all that knows ssh2. It is pinned to 1.17.0, because much here relies on its inside.
 *
 * The files to re-read when ssh2 is upgraded, each against these parts of ssh2's lib/.
 *
 * | here               | relies on                                                                               |
 * |--------------------|-----------------------------------------------------------------------------------------|
 * | port.ts            | Channel.js: `incoming`, `outgoing`, `push`, `_write`, `stderr`; MAX_WINDOW;             |
 * |                    | Protocol.js: `directTcpip`, `openssh_directStreamLocal`, `channelWindowAdjust`;         |
 * |                    | client.js: `_remoteVer`                                                                 |
 * | connection.ts      | client.js: `close` is emitted before the channels are cleaned up; which calls throw     |
 * | channel-kinds.ts   | client.js: `subsys`; utils.js: the prefix and `reason` of a channel's failure           |
 * | remote-forwards.ts | client.js: `tcp connection`, `unix connection`, and the port that `forwardIn` reports   |
 * | login-exchange.ts  | client.js, kex.js: order of `handshake` and `ready`; an exception of `hostVerifier`     |
 * | internals.ts       | Protocol.js: `_handlers`, `_kex`, `_kexinit`, `ping`; client.js: `_chanMgr`, `_callbacks`, `_remoteVer` |
 * | channel-guard.ts   | client.js: handlers of CHANNEL_* and requests; fields of their messages                 |
 * | message-order.ts   | handlers of all messages by name; an exception of one ends the connection               |
 * | key-exchange.ts    | kex.js: when `_kex` is set, `setDHParams`; when `_kexinit` is unset                     |
 * | liveness.ts        | client.js: answers to global requests call `_callbacks` in order                        |
 * | read-quota.ts      | client.js: reads its socket by `data` and never pauses it                               |
 * | padding.ts         | crypto.js: AESGCMCipherBinding, `allocPacket`, `_protocol._cipher`                      |
 * | failures.ts        | the texts, levels and codes of ssh2's errors                                            |
 * | native-crypto.ts   | crypto.js: `bindingAvailable`                                                           |
 *
 * Outside, through the types below: auth/auth-sequence.ts (USERAUTH_FAILURE after an agent's signature, null and false in
 * `authHandler`), auth/signature-algorithms.ts, auth/key-agent.ts.
 */

/** The parts of ssh2's public interface that the rest of core/ssh uses. */
export type {
  Algorithms,
  AnyAuthMethod,
  AuthHandlerMiddleware,
  Client,
  IdentityCallback,
  ParsedKey,
  Prompt,
  SignCallback,
  SigningRequestOptions,
} from 'ssh2';
export { BaseAgent, createAgent } from 'ssh2';
export const { parseKey } = ssh2.utils;
