import net from 'node:net';
import path from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { RemoteForwards } from '../../../../src/core/ssh/openssh/remote-forwards.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const HELLO = 0x00000001;
const CLOSE_FWD = 0x10000007;
const OK = 0x80000001;

/** A master that grants every request. */
async function startMaster(socket: string) {
  const types: number[] = [];
  const peers = new Set<net.Socket>();
  const server = net.createServer((peer) => {
    peers.add(peer);
    peer.on('error', () => {});
    peer.write(words(HELLO, 4));
    let heard = Buffer.alloc(0);
    peer.on('data', (chunk) => {
      heard = Buffer.concat([heard, chunk]);
      while (heard.length >= 4 && heard.length >= 4 + heard.readUInt32BE(0)) {
        const body = heard.subarray(4, 4 + heard.readUInt32BE(0));
        heard = heard.subarray(4 + body.length);
        types.push(body.readUInt32BE(0));
        if (types.at(-1) !== HELLO) peer.write(words(OK, body.readUInt32BE(4)));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  onTestFinished(() => void server.close());
  return { types, peers };
}

function words(...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(4 + 4 * numbers.length);
  for (const [index, number] of [4 * numbers.length, ...numbers].entries())
    bytes.writeUInt32BE(number, 4 * index);
  return bytes;
}

it('ends a forward by a new control connection if the first has gone', async () => {
  const folder = await tempFolder({ onTestFinished });
  const socket = path.join(folder, 'm');
  const master = await startMaster(socket);
  const forwards = new RemoteForwards({ host: 'yourserver', address: null, folder, socket });
  onTestFinished(() => forwards.close());
  const listening = await forwards.listen({ host: '127.0.0.1', port: 2121 }, () => {});
  for (const peer of master.peers) peer.destroy();
  await vi.waitFor(() => forwards.listen({ host: '127.0.0.1', port: 2122 }, () => {}));
  expect(await listening.close()).toBeNull();
  expect(master.types.at(-1)).toBe(CLOSE_FWD);
});
