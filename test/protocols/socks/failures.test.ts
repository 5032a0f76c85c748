import { expect, it } from 'vitest';
import { type ErrorCode, type ErrorDetails, GatewayError } from '../../../src/core/errors.ts';
import { channelRefused } from '../../../src/core/ssh/connection/refusals.ts';
import { failureOf } from '../../../src/protocols/socks/socks.ts';

it.for<[code: ErrorCode, details: ErrorDetails, failure: string]>([
  ['CHANNEL_TIMEOUT', {}, 'host-unreachable'],
  ['SSH_LOST', {}, 'network-unreachable'],
  ['SSH_TIMEOUT', {}, 'network-unreachable'],
  ['CHANNEL_REFUSED', { reason: 'prohibited' }, 'not-allowed'],
  ['CHANNEL_REFUSED', { reason: 'unknown-type' }, 'not-allowed'],
  ['CHANNEL_REFUSED', { reason: 'shortage' }, 'general'],
  ['CHANNEL_REFUSED', { reason: 'connect-failed' }, 'general'],
  ['CHANNEL_REFUSED', { reason: 'connect-failed', failure: 'refused' }, 'refused'],
  ['CHANNEL_REFUSED', { reason: 'connect-failed', failure: 'no-answer' }, 'host-unreachable'],
  ['STOPPING', {}, 'general'],
])('%s with %j is told as %s', ([code, details, failure]) => {
  expect(failureOf(new GatewayError(code, 'so it is', details))).toBe(failure);
});

it.for([
  ['Connection refused', 'refused'],
  ['No route to host', 'host-unreachable'],
  ['Network is unreachable', 'host-unreachable'],
  ['Connection timed out', 'host-unreachable'],
  ['Name or service not known', 'host-unreachable'],
  ['Temporary failure in name resolution', 'host-unreachable'],
  ['open failed', 'general'],
] as const)("sshd's text %j is told as %s", ([text, failure]) => {
  const refused = channelRefused({ host: 'example.com', port: 80 }, 'yourserver', 2, text);
  expect(failureOf(refused)).toBe(failure);
});
