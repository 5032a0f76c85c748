import path from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, it, onTestFinished } from 'vitest';
import { CarrierSocket } from '../../../../src/core/ssh/openssh/carrier-socket.ts';
import { listenAt } from '../../../../src/core/ssh/openssh/unix-listener.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

it('keeps listening after a connection that could not be accepted', async () => {
  const folder = await tempFolder({ onTestFinished });
  const server = await listenAt(path.join(folder, 's'), 'SSH_CONNECT', () => {});
  onTestFinished(() => void server.close());
  server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
  expect(server.listening).toBe(true);
});

it('a carrier that cannot listen destroys its stream', async () => {
  const folder = await tempFolder({ onTestFinished });
  const stream = new PassThrough();
  await expect(CarrierSocket.open(path.join(folder, 'none', 's'), stream)).rejects.toMatchObject({
    code: 'SSH_CONNECT',
    message: expect.stringMatching(/cannot listen for ssh on .*(ENOENT|EACCES)/),
  });
  expect(stream.destroyed).toBe(true);
});
