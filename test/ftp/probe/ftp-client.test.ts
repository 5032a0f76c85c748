import { expect, it } from 'vitest';
import { demandsTls } from '../../../src/ftp/probe/ftp-client.ts';

it.each([
  ['vsftpd', 530, '530 Non-anonymous sessions must use encryption.'],
  ['vsftpd, data', 522, '522 Data connections must be encrypted.'],
  ['proftpd', 550, '550 SSL/TLS required on the control channel'],
  ['proftpd, data', 522, '522 SSL/TLS required on the data channel'],
  ['pyftpdlib, data', 521, '521 SSL/TLS required on the data channel.'],
  ['pure-ftpd', 421, '421-Sorry, cleartext sessions and weak ciphers are not accepted on this server.'],
  ['IIS', 534, '534 Policy requires SSL.'],
  ['FileZilla Server', 503, '503 Use AUTH first.'],
])('knows that %s demands TLS', (_, code, words) => {
  expect(demandsTls({ code, words, final: words })).toBe(true);
});

it.each([
  ['a wrong password', 530, '530 Login incorrect.'],
  ['an anonymous server', 530, '530 This FTP server is anonymous only.'],
  ['a welcome', 331, '331 Please specify the password; TLS is recommended'],
  ['a banned user', 530, '530 Not authorized'],
])('does not take %s for that', (_, code, words) => {
  expect(demandsTls({ code, words, final: words })).toBe(false);
});
