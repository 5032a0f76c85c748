import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { SendGate } from '../../../../src/core/ssh/connection/send-gate.ts';

/** A socket that takes what it is given when told to. */
function slowSocket() {
  let accept: (() => void) | null = null;
  const socket = new Writable({
    write(_chunk, _encoding, callback) {
      accept = callback;
    },
  });
  const drain = async () => {
    while (socket.writableLength > 0) {
      accept?.();
      await new Promise(setImmediate);
    }
  };
  return { socket, drain };
}

it('lets channels through while the socket keeps up', () => {
  const { socket } = slowSocket();
  const gate = new SendGate(socket);
  let passed = 0;
  gate.pass(() => (passed += 1));
  socket.write(Buffer.alloc(200 * 1024));
  gate.pass(() => (passed += 1));
  expect(passed).toBe(2);
});

it('delays channels while the socket is full, then serves them in turn', async () => {
  const { socket, drain } = slowSocket();
  const gate = new SendGate(socket);
  const order: string[] = [];
  // Each channel sends 200 KiB as soon as it may, so that two fill the socket; 20 times in all.
  const channel = (name: string) => () => {
    if (order.length === 20) return;
    order.push(name);
    socket.write(Buffer.alloc(200 * 1024));
    gate.pass(channel(name));
  };
  for (const name of ['a', 'b', 'c']) channel(name)();
  expect(order).toEqual(['a', 'a', 'b', 'c']);
  await drain();
  expect(order.slice(4).join('')).toBe('abcabcabcabcabca');
});

it('delays writes during a key exchange, and sends them afterwards in order', () => {
  const { socket } = slowSocket();
  let exchanging = false;
  const gate = new SendGate(socket, () => exchanging);
  const sent: number[] = [];
  gate.enter(() => sent.push(1));
  exchanging = true;
  gate.enter(() => sent.push(2));
  gate.enter(() => {
    sent.push(3);
    // The next key exchange has begun.
    exchanging = true;
    gate.enter(() => sent.push(4));
  });
  expect(sent).toEqual([1]);
  exchanging = false;
  gate.exchanged();
  expect(sent).toEqual([1, 2, 3]);
  exchanging = false;
  gate.exchanged();
  expect(sent).toEqual([1, 2, 3, 4]);
});
