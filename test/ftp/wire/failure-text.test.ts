import { expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { reply, replyBytes } from '../../../src/ftp/server/replies.ts';
import { errorReply } from '../../../src/ftp/wire/words.ts';

const LOST = new GatewayError('SSH_LOST', 'the SSH connection was lost: client_loop: Broken pipe');

it.each([
  [
    'an error',
    errorReply(426, LOST),
    '426 sshferry: the SSH connection was lost: client_loop: broken connection',
  ],
  ['a folder', replyBytes(reply(450, 'f: No files found')), '450 f: no such files'],
  ['the name of a file', replyBytes(reply(426, 'Broken Pipe.bin: cut')), '426 broken connection.bin: cut'],
])('a failure of %s has no words that lftp takes for a success', (_what, bytes, expected) => {
  expect(Buffer.from(bytes).toString()).toBe(`${expected}\r\n`);
});

it('other replies keep such words', () => {
  expect(Buffer.from(replyBytes(reply(257, '"/Broken pipe" created'))).toString()).toBe(
    '257 "/Broken pipe" created\r\n',
  );
});
