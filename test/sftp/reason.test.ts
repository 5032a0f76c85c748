import { expect, it } from 'vitest';
import { StatusCode } from '../../src/sftp/codec/protocol.ts';
import { SftpError } from '../../src/sftp/errors.ts';
import { failureReason } from '../../src/sftp/reason.ts';

it.each([
  ['No space left on device', 'no-space'],
  ['Out of disk space', 'no-space'], // proftpd's mod_sftp
  ['Quota exceeded', 'quota'],
  ['Directory is not empty', 'not-empty'],
  ['File already exists', 'exists'],
  ['File is a directory', 'is-directory'],
  ['Read-only file system', 'read-only'],
  ['Failure', 'failure'], // OpenSSH's, for all of these
] as const)('FAILURE with the words "%s" means %s', (words, reason) => {
  expect(failureReason(new SftpError('WRITE', StatusCode.FAILURE, words))).toBe(reason);
});
