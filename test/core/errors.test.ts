import { describe, expect, it } from 'vitest';
import { asGatewayError, type ErrorCode, GatewayError, type RefusalReason } from '../../src/core/errors.ts';

describe('the message of a GatewayError', () => {
  it('is where, what failed, then what to do', () => {
    const error = new GatewayError('SESSION_LIMIT', 'it is full', {
      where: 'files',
      hint: 'try again later',
    });
    expect(error.message).toBe('files: it is full; try again later');
    expect(error).toMatchObject({ where: 'files', what: 'it is full', hint: 'try again later' });
  });

  it('is what failed, if nothing else is known', () => {
    expect(new GatewayError('SSH_LOST', 'it is gone').message).toBe('it is gone');
  });

  it('has no control character in any part', () => {
    const error = new GatewayError('SSH_LOST', 'a\x1b', { where: 'b\n', hint: 'c\x07' });
    expect(error.message).toBe('b\\x0a: a\\x1b; c\\x07');
    expect([error.where, error.what, error.hint]).toEqual(['b\\x0a', 'a\\x1b', 'c\\x07']);
  });

  it('keeps its lines if it is about a config file', () => {
    expect(new GatewayError('CONFIG_FILE', 'a\nb\x1b').message).toBe('a\nb\\x1b');
  });
});

describe('blame', () => {
  it.each<[ErrorCode, string]>([
    ['SSH_LOST', 'ssh'],
    ['SSH_HOST_KEY', 'ssh'],
    ['CHANNEL_TIMEOUT', 'server'],
    ['PEER_RESET', 'client'],
    ['CLIENT_GONE', 'client'],
    ['LISTEN_IN_USE', 'us'],
    ['STOPPING', 'us'],
    ['INTERNAL', 'us'],
  ])('of %s is with: %s', (code, fault) => {
    expect(new GatewayError(code, 'x').fault).toBe(fault);
  });

  it.each<[RefusalReason, string]>([
    ['connect-failed', 'server'],
    ['prohibited', 'ssh'],
    ['unknown-type', 'ssh'],
    ['shortage', 'ssh'],
  ])('of a channel refused as %s is with: %s', (reason, fault) => {
    expect(new GatewayError('CHANNEL_REFUSED', 'x', { reason }).fault).toBe(fault);
  });

  it('is what the throw site says', () => {
    expect(new GatewayError('PEER_RESET', 'x', { fault: 'server' }).fault).toBe('server');
  });
});

describe('severity', () => {
  it.each<[ErrorCode, { expected: boolean; deliberate: boolean }]>([
    ['STOPPING', { expected: true, deliberate: true }],
    ['SUPERSEDED', { expected: true, deliberate: true }],
    ['ABANDONED', { expected: true, deliberate: true }],
    ['FINISHED', { expected: true, deliberate: true }],
    ['CLIENT_GONE', { expected: true, deliberate: false }],
    ['PEER_RESET', { expected: true, deliberate: false }],
    ['SSH_LOST', { expected: false, deliberate: false }],
    ['SESSION_LIMIT', { expected: false, deliberate: false }],
  ])('of %s: %o', (code, severity) => {
    expect(new GatewayError(code, 'x')).toMatchObject(severity);
  });

  it('is what the throw site says', () => {
    expect(new GatewayError('DATA_REFUSED', 'x', { expected: true })).toMatchObject({
      expected: true,
      deliberate: false,
    });
  });
});

it.each<[ErrorCode, { retryable: boolean; usage: boolean }]>([
  ['SSH_CONNECT', { retryable: true, usage: false }],
  ['SSH_AUTH', { retryable: false, usage: false }],
  ['CONFIG_FILE', { retryable: false, usage: true }],
  ['LISTEN_FAILED', { retryable: false, usage: false }],
])('what follows from %s: %o', (code, facts) => {
  expect(new GatewayError(code, 'x')).toMatchObject(facts);
});

it('a GatewayError is not wrapped, anything else is', () => {
  const own = new GatewayError('SSH_LOST', 'x');
  expect(asGatewayError(own, 'SESSION_FAILED', 'it failed')).toBe(own);
  const cause = new Error('y');
  expect(asGatewayError(cause, 'SESSION_FAILED', 'it failed')).toMatchObject({
    code: 'SESSION_FAILED',
    message: 'it failed: y',
    cause,
  });
});
