import { expect, it } from 'vitest';
import { DirectTransport } from '../../src/core/local/tcp-transport.ts';
import {
  DYNAMIC,
  destinationOf,
  folderOf,
  formatTarget,
  hostOf,
  portOf,
  tcpEndpoint,
} from '../../src/core/target.ts';

const FTP = { host: '::1', port: 21 };

it('a target is shown, dialled and read through functions', () => {
  expect(formatTarget(FTP)).toBe('[::1]:21');
  expect(destinationOf(FTP)).toEqual({ tcp: FTP });
  expect([hostOf(FTP), portOf(FTP)]).toEqual(['::1', 21]);
});

it('a folder behind SFTP is a target without host and port', () => {
  expect(['/srv/in', '~/in', ''].map((sftp) => formatTarget({ sftp }))).toEqual([
    'sftp:/srv/in',
    'sftp:~/in',
    'sftp:~',
  ]);
  const folder = { sftp: '/srv/in' };
  expect(destinationOf(folder)).toEqual({ subsystem: 'sftp' });
  expect([hostOf(folder), portOf(folder)]).toEqual([null, null]);
});

it('an endpoint is short for its destination', () => {
  expect([tcpEndpoint(FTP), tcpEndpoint({ tcp: FTP })]).toEqual([FTP, FTP]);
});

it('a Unix socket is a target without host and port', () => {
  const socket = { unix: '/run/x.sock' };
  expect(formatTarget(socket)).toBe('/run/x.sock');
  expect(destinationOf(socket)).toEqual(socket);
  expect([hostOf(socket), portOf(socket), folderOf(socket)]).toEqual([null, null, null]);
  expect(() => tcpEndpoint(socket)).toThrow('cannot connect to the Unix socket /run/x.sock: not supported');
});

it('a dynamic target is only known to clients', () => {
  expect(formatTarget(DYNAMIC)).toBe("client's choice");
  expect([hostOf(DYNAMIC), portOf(DYNAMIC), folderOf(DYNAMIC)]).toEqual([null, null, null]);
  expect(() => destinationOf(DYNAMIC)).toThrow('has no target of its own');
});

it.each([[{ subsystem: 'sftp' }, 'cannot connect to the subsystem sftp: not supported']])(
  'a transport for TCP refuses %o',
  async (to, message) => {
    await expect(new DirectTransport().openStream(to)).rejects.toMatchObject({
      code: 'CHANNEL_REFUSED',
      reason: 'unknown-type',
      message,
    });
  },
);
