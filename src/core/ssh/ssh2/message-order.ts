import type { Client } from 'ssh2';
import { outOfTurn } from '../connection/violations.ts';
import { intercept, protocolOf } from './internals.ts';

/**
 * The phase of a connection.
 * - `exchange`: the server has not proven its host key.
 * - `service`: it has; the client has requested user authentication.
 * - `login`: user authentication is running.
 * - `open`: logged in.
 * - `over`: it failed or was ended; all further messages are dropped.
 */
type Phase = 'exchange' | 'service' | 'login' | 'open' | 'over';

const ALWAYS = ['DISCONNECT', 'DEBUG'];
const LOGIN = [
  'EXT_INFO',
  'USERAUTH_BANNER',
  'USERAUTH_SUCCESS',
  'USERAUTH_FAILURE',
  'USERAUTH_PASSWD_CHANGEREQ',
  'USERAUTH_PK_OK',
  'USERAUTH_INFO_REQUEST',
];

/**
 * Before the login, any other message is an error, as in OpenSSH (sshconnect2.c,
 * input_userauth_error).
 */
const ALLOWED: Readonly<Record<Exclude<Phase, 'open' | 'over'>, ReadonlySet<string>>> = {
  exchange: new Set(ALWAYS),
  service: new Set([...ALWAYS, 'EXT_INFO', 'SERVICE_ACCEPT']),
  login: new Set([...ALWAYS, ...LOGIN]),
};
/** After the login ssh2 would take these for a new login, and send credentials again. */
const IGNORED_WHEN_OPEN: ReadonlySet<string> = new Set([...LOGIN, 'SERVICE_ACCEPT']);

/**
 * Enforces the order of SSH's messages: only key exchange until the server has proven its host key
 * (RFC 4253 7), only user authentication until the login (RFC 4252).
 *
 * A message out of turn has no effect and ends the connection. Before the proof the error is
 * `SSH_HOST_KEY`: an attacker without the key gets no further than that. After it, `SSH_CONNECT`.
 *
 * ssh2 1.17.0 has no such order. It handles whatever it can decrypt, and continues with the rest of
 * the segment after it has refused a host key.
 *
 * Call it between `connect` and the first data, after every other `intercept`.
 */
export function keepMessageOrder(client: Client, host: string): void {
  let phase: Phase = 'exchange';
  client.once('handshake', () => {
    if (phase === 'exchange') phase = 'service';
  });
  client.on('error', ({ level }) => {
    // An agent did not sign; the login continues with the next key.
    if (level !== 'agent') phase = 'over';
  });
  for (const name of Object.keys(protocolOf(client)._handlers)) {
    intercept(client, name, (fields, pass) => {
      if (phase === 'over' || (phase === 'open' && IGNORED_WHEN_OPEN.has(name))) return;
      if (phase !== 'open') {
        if (!ALLOWED[phase].has(name)) throw outOfTurn(host, phase, name);
        if (name === 'SERVICE_ACCEPT') phase = 'login';
        if (name === 'USERAUTH_SUCCESS') phase = 'open';
      }
      if (name !== 'DISCONNECT') return pass(...fields);
      const [reason, text] = fields;
      // An unproven server's text is never shown; the reason code is enough.
      const shown = phase === 'exchange' ? '' : text;
      phase = 'over';
      pass(reason, shown);
    });
  }
}
