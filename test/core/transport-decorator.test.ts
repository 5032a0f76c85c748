import { PassThrough } from 'node:stream';
import { expect, it, vi } from 'vitest';
import type { ManagedTransport } from '../../src/core/transport.ts';
import { ManagedTransportDecorator, TransportDecorator } from '../../src/core/transport-decorator.ts';
import { localPeer } from '../support/fakes.ts';

const PLACE = { host: 'localhost', port: 21 };

function inner() {
  return {
    state: 'backoff',
    dataConnections: 3,
    openStream: vi.fn(async () => new PassThrough()),
    listen: vi.fn(async () => ({ endpoint: PLACE, close: async () => {} })),
    hasRead: vi.fn(async () => false),
    start: vi.fn(async () => {}),
    stop: vi.fn(async () => {}),
    onState: vi.fn(),
  } satisfies ManagedTransport;
}

it('every call reaches the inner transport with all of its arguments', async () => {
  const transport = inner();
  const decorator = new TransportDecorator(transport);
  const options = { bulk: true, localAddress: '127.0.0.1' };
  await decorator.openStream(PLACE, options);
  expect(transport.openStream).toHaveBeenCalledWith(PLACE, options);
  const [onStream, how] = [() => {}, { onArrival: () => {}, onExcess: () => {}, shownHost: 'localhost' }];
  await decorator.listen(PLACE, onStream, how);
  expect(transport.listen).toHaveBeenCalledWith(PLACE, onStream, how);
  expect(await decorator.hasRead(localPeer)).toBe(false);
  expect(transport.hasRead).toHaveBeenCalledWith(localPeer);
});

it('a transport that cannot tell has read all', async () => {
  const { hasRead: _, ...transport } = inner();
  expect(await new TransportDecorator(transport).hasRead(localPeer)).toBe(true);
});

it('the life of a managed transport is the inner one’s', async () => {
  const transport = inner();
  const decorator = new ManagedTransportDecorator(transport);
  expect([decorator.state, decorator.dataConnections]).toEqual(['backoff', 3]);
  const listener = () => {};
  decorator.onState(listener);
  expect(transport.onState).toHaveBeenCalledWith(listener);
  await decorator.start();
  await decorator.stop();
  expect([transport.start, transport.stop].map((call) => call.mock.calls.length)).toEqual([1, 1]);
});
