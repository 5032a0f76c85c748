import type { Client } from 'ssh2';
import { GatewayError } from '../errors.ts';
import { intercept, protocolOf } from './ssh2-internals.ts';

/**
 * How far a connection is. `exchange`: the server has not proven who it is. `service`: it has; user authentication was asked for. `login`:
 * user authentication goes on. `open`: logged in. `over`: it has failed or was ended, and nothing more is heard.
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

/** Before a login, whatever else comes is an error, as in OpenSSH (dispatch.c; input_userauth_error in sshconnect2.c). */
const ALLOWED: Readonly<Record<Exclude<Phase, 'open' | 'over'>, ReadonlySet<string>>> = {
  exchange: new Set(ALWAYS),
  service: new Set([...ALWAYS, 'EXT_INFO', 'SERVICE_ACCEPT']),
  login: new Set([...ALWAYS, ...LOGIN]),
};
/** After the login these mean nothing any more; ssh2 would begin to authenticate again. */
const IGNORED_WHEN_OPEN: ReadonlySet<string> = new Set([...LOGIN, 'SERVICE_ACCEPT']);

/**
 * Holds the server to the order of SSH's messages: nothing but key exchange before it has proven its host key (RFC 4253 7), nothing but
 * user authentication before the login (RFC 4252). What comes out of turn is not acted on, and ends the connection: with `SSH_HOST_KEY`
 * before the proof, since an attacker without the key can get no further than that; else with `SSH_CONNECT`.
 *
 * ssh2 1.17.0 has no such order: it handles whatever the decryption in force gives it, and goes on with the rest of a segment after it
 * has refused a host key. To be called between `connect` and the first data, after every other `intercept`.
 */
export function keepMessageOrder(client: Client, host: string): void {
  let phase: Phase = 'exchange';
  client.once('handshake', () => {
    if (phase === 'exchange') phase = 'service';
  });
  client.on('error', ({ level }) => {
    // A key in the agent did not sign; the login goes on.
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
      // Nobody knows who says this: of it, only the number counts.
      const words = phase === 'exchange' ? '' : text;
      phase = 'over';
      pass(reason, words);
    });
  }
}

/** Says what a server sent out of turn. */
export function outOfTurn(host: string, phase: 'exchange' | 'service' | 'login', what: string): GatewayError {
  return phase === 'exchange'
    ? new GatewayError(
        'SSH_HOST_KEY',
        `${host} sent ${what} before it had proven its host key: somebody in between may be posing as it; nothing was sent to it`,
      )
    : new GatewayError(
        'SSH_CONNECT',
        `${host} does not keep to SSH: it sent ${what} before the login was done`,
      );
}
