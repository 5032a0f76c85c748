import type net from 'node:net';
import { Duplex } from 'node:stream';
import { expect, it, vi } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { ForwardedStream } from '../../../../src/core/ssh/openssh/forwarded-stream.ts';

const LOST = new GatewayError('SSH_LOST', 'the cable is cut');

/** A socket that takes all data; `fault` is the outcome of its end. */
function socket(fault: Error | null): net.Socket {
  return new Duplex({
    read() {},
    write: (_chunk, _encoding, done) => done(),
    final: (done) => done(fault),
  }) as net.Socket;
}

it('does not finish if the end cannot be sent: it fails with the reason of the loss', async () => {
  const stream = new ForwardedStream(socket(new Error('EPIPE')), async () => false);
  const finished = vi.fn();
  stream.on('finish', finished);
  const failed = new Promise((resolve) => stream.once('error', resolve));
  stream.end('an upload');
  await new Promise(setImmediate);
  stream.lose(LOST);
  expect(await failed).toBe(LOST);
  expect(finished).not.toHaveBeenCalled();
});

it('finishes when the socket has taken the end', async () => {
  const stream = new ForwardedStream(socket(null), async () => true);
  await new Promise((resolve) => stream.once('finish', () => resolve(null)).end('an upload'));
  stream.destroy();
});
