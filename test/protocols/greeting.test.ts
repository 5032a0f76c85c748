import { expect, test } from 'vitest';
import type { GatewayError } from '../../src/core/errors.ts';
import type { SessionContext } from '../../src/core/plugin.ts';
import { ClientGate } from '../../src/protocols/greeting.ts';

const CLIENT_HELLO = Buffer.from([0x16, 3, 1, 2, 0, 1]);
const POP3 = { clientSpeaksFirst: false, protocol: 'Pop3', tlsPorts: [995] };

/** Returns the error for a client that begins with TLS, and what reached the server. */
function refusal(secured: boolean, port: number) {
  const errors: GatewayError[] = [];
  const session = {
    secured,
    clientTls: null,
    target: { host: 'mail.example.com', port },
    peer: { remote: { host: '127.0.0.1', port: 40000 } },
    end: (error: GatewayError) => void errors.push(error),
  } as unknown as SessionContext;
  const passed = new ClientGate(session, POP3).pass(CLIENT_HELLO);
  return { error: errors[0], passed: passed.length };
}

test('the refusal of a client that begins with TLS names the types that speak TLS to the server', () => {
  const { error, passed } = refusal(false, 110);
  expect(passed).toBe(0);
  expect(error?.code).toBe('CLIENT_TLS');
  expect(error?.message).toMatch(/SSH encrypts already; turn TLS off in the client; a type such as pop3s/);
});

test('or that sshferry speaks it already', () => {
  const { error, passed } = refusal(true, 995);
  expect(passed).toBe(0);
  expect(error?.message).toMatch(/turn TLS off in the client; sshferry speaks TLS to the server$/);
});

test('without TLS of sshferry’s own, the client speaks TLS on a port that waits for it', () => {
  expect(refusal(false, 995)).toEqual({ error: undefined, passed: CLIENT_HELLO.length });
});
