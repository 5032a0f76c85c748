import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { handshakeFailure, lostConnection } from '../../../src/core/ssh/ssh2/failures.ts';
import { testOptions } from '../../support/ssh-login.ts';

const options = testOptions({ port: 22, host: 'yourserver', hostName: '192.0.2.1' });
const IDENTIFIED = Buffer.from('SSH-2.0-OpenSSH_9.2\r\n');

/** As ssh2 emits it. */
function ssh2Error(message: string, level = 'handshake') {
  return Object.assign(new Error(message), { level });
}

// The words of ssh2 1.17.0, lib/protocol/kex.js.
const NOT_PROVEN = [
  'Host denied (verification failed)',
  'Handshake failed: signature verification failed',
  'Handshake failed: signature verification failed for ssh-rsa host key: wrong',
  'Malformed packet while reading signature',
  'Malformed signature',
  'Wrong signature type: ssh-rsa, expected: ssh-ed25519',
  'Received malformed host public key',
] as const;

describe.each(NOT_PROVEN)('"%s"', (message) => {
  it('is a host key error in a login, whatever the server has said', () => {
    for (const heard of [Buffer.alloc(0), IDENTIFIED, Buffer.from('220 an FTP server\r\n')]) {
      const error = handshakeFailure(options, ssh2Error(message), heard);
      expect(error).toMatchObject({ code: 'SSH_HOST_KEY', retryable: false });
      expect(error.cause).toBeUndefined();
    }
  });

  it('is a host key error in a rekey', () => {
    expect(lostConnection(options, ssh2Error(message))).toMatchObject({
      code: 'SSH_HOST_KEY',
      retryable: false,
    });
  });
});

it("is not taken from a server's words: a DISCONNECT that says so is a lost connection", () => {
  const error = Object.assign(new Error('Host denied (verification failed)'), { code: 2 });
  expect(lostConnection(options, error)).toMatchObject({ code: 'SSH_LOST', retryable: true });
});

it('stays what it is if it comes from the jump host that carries the connection', () => {
  const own = new GatewayError('SSH_HOST_KEY', 'gate presented another key');
  expect(lostConnection(options, own)).toBe(own);
});
