import { EventEmitter } from 'node:events';
import type { Client } from 'ssh2';
import { describe, expect, it, vi } from 'vitest';
import { keepMessageOrder } from '../../../src/core/ssh/ssh2/message-order.ts';

const BEFORE_LOGIN = [
  'SERVICE_ACCEPT',
  'EXT_INFO',
  'USERAUTH_BANNER',
  'USERAUTH_FAILURE',
  'USERAUTH_INFO_REQUEST',
  'USERAUTH_PASSWD_CHANGEREQ',
  'USERAUTH_PK_OK',
  'USERAUTH_SUCCESS',
] as const;
const AFTER_LOGIN = ['CHANNEL_OPEN', 'GLOBAL_REQUEST', 'REQUEST_SUCCESS'] as const;
const ALWAYS = ['DEBUG', 'DISCONNECT'] as const;
const NAMES = [...BEFORE_LOGIN, ...AFTER_LOGIN, ...ALWAYS];

/** A client whose messages the test sends. `passed` are those that reach ssh2. */
function setUp() {
  const passed: unknown[][] = [];
  const handlers = Object.fromEntries(
    NAMES.map((name) => [name, (_: unknown, ...fields: unknown[]) => passed.push([name, ...fields])]),
  );
  const protocol = { _handlers: handlers };
  const client = Object.assign(new EventEmitter(), { _protocol: protocol });
  keepMessageOrder(client as unknown as Client, 'yourserver');
  const receive = (name: string, ...fields: unknown[]) => protocol._handlers[name]?.(protocol, ...fields);
  return { client, passed, receive };
}

describe('before the server has proven its host key', () => {
  it.each([...BEFORE_LOGIN, ...AFTER_LOGIN])('%s has no effect, and is a host key error', (name) => {
    const { passed, receive } = setUp();
    expect(() => receive(name, 'x')).toThrow(expect.objectContaining({ code: 'SSH_HOST_KEY' }));
    expect(passed).toEqual([]);
  });

  it('a DISCONNECT passes without its text, and nothing after it', () => {
    const { passed, receive } = setUp();
    receive('DISCONNECT', 2, 'type your password');
    receive('USERAUTH_SUCCESS');
    expect(passed).toEqual([['DISCONNECT', 2, '']]);
  });
});

it('nothing passes after an error, such as that of a refused key', () => {
  const { client, passed, receive } = setUp();
  client.on('error', vi.fn());
  client.emit('error', new Error('refused'));
  client.emit('handshake');
  for (const name of NAMES) receive(name);
  expect(passed).toEqual([]);
});

it('a login passes in its order, and is over after its success', () => {
  const { client, passed, receive } = setUp();
  client.emit('handshake');
  expect(() => receive('USERAUTH_SUCCESS')).toThrow(expect.objectContaining({ code: 'SSH_CONNECT' }));
  for (const name of ['SERVICE_ACCEPT', 'USERAUTH_BANNER', 'USERAUTH_SUCCESS', 'GLOBAL_REQUEST'])
    receive(name);
  // A second login, in which ssh2 would send the password again.
  for (const name of BEFORE_LOGIN) receive(name);
  expect(passed.map(([name]) => name)).toEqual([
    'SERVICE_ACCEPT',
    'USERAUTH_BANNER',
    'USERAUTH_SUCCESS',
    'GLOBAL_REQUEST',
  ]);
});
