import { expect, it } from 'vitest';
import { DirectTransport } from '../../src/core/local/tcp-transport.ts';
import { destinationOf, formatTarget, hostOf, portOf, tcpEndpoint } from '../../src/core/target.ts';

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

it.each([
  [{ unix: '/run/x.sock' }, 'cannot connect to the Unix socket /run/x.sock: not supported'],
  [{ subsystem: 'sftp' }, 'cannot connect to the subsystem sftp: not supported'],
])('a transport for TCP refuses %o', async (to, message) => {
  await expect(new DirectTransport().openStream(to)).rejects.toMatchObject({
    code: 'CHANNEL_REFUSED',
    reason: 'unknown-type',
    message,
  });
});
