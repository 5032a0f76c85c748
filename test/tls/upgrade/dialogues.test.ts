import { describe, expect, it } from 'vitest';
import type { Dialogue } from '../../../src/tls/upgrade/dialogue.ts';
import { ftpUpgrade, prepare } from '../../../src/tls/upgrade/ftp.ts';
import { imapUpgrade } from '../../../src/tls/upgrade/imap.ts';
import { pop3Upgrade } from '../../../src/tls/upgrade/pop3.ts';
import { smtpUpgrade } from '../../../src/tls/upgrade/smtp.ts';

/** Plays a server that says these lines; returns what was said to it, and the result. */
function play<R>(dialogue: Dialogue<R>, server: readonly string[]) {
  const said: string[] = [];
  const lines = [...server];
  let step = dialogue.next();
  while (!step.done) {
    if (step.value !== null) said.push(step.value);
    const line = lines.shift();
    if (line === undefined) throw new Error(`the server has nothing more to say after ${said.join(', ')}`);
    step = dialogue.next(line);
  }
  return { said, result: step.value, left: lines };
}

describe('what is said before TLS', () => {
  it.each([
    [
      'POP3, whose stamp for APOP stays valid',
      pop3Upgrade,
      ['+OK POP3 ready <1896.697170952@mail.example.com>', '+OK Begin TLS'],
      ['STLS'],
      ['+OK POP3 ready <1896.697170952@mail.example.com>'],
    ],
    [
      'SMTP',
      smtpUpgrade,
      [
        '220 mail.example.com ESMTP',
        '250-mail.example.com',
        '250-SIZE 10240000',
        '250-starttls',
        '250 HELP',
        '220 Go ahead',
      ],
      ['EHLO [127.0.0.1]', 'STARTTLS'],
      ['220 mail.example.com ESMTP'],
    ],
    [
      'SMTP with a greeting of several lines',
      smtpUpgrade,
      ['220-mail.example.com', '220-no spam', '220 ESMTP', '250 STARTTLS', '220 Go'],
      ['EHLO [127.0.0.1]', 'STARTTLS'],
      ['220-mail.example.com', '220-no spam', '220 ESMTP'],
    ],
    [
      'IMAP, whose capabilities of before are void',
      imapUpgrade,
      ['* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready', '* OK still here', 'sshferry OK Begin'],
      ['sshferry STARTTLS'],
      ['* OK ready'],
    ],
    ['FTP', ftpUpgrade, ['220-Hello', '220 ready', '234 Go'], ['AUTH TLS'], ['220-Hello', '220 ready']],
  ] as const)('%s', (_what, upgrade, server, said, greeting) => {
    expect(play(upgrade.before(), server)).toEqual({ said, result: greeting, left: [] });
  });

  it.each([
    ['POP3 that refuses STLS', pop3Upgrade, ['+OK ready', '-ERR unknown command'], /refuses STLS.*unknown/],
    ['POP3 that refuses its client', pop3Upgrade, ['-ERR too many'], /refuses: "-ERR too many"/],
    [
      'SMTP that does not offer STARTTLS, or whose offer was taken out',
      smtpUpgrade,
      ['220 mail', '250-mail', '250 SIZE'],
      /does not offer STARTTLS/,
    ],
    ['SMTP that refuses it', smtpUpgrade, ['220 mail', '250 STARTTLS', '454 later'], /refuses STARTTLS/],
    ['SMTP that is not there', smtpUpgrade, ['554 no service'], /refuses: "554 no service"/],
    ['SMTP that says something else', smtpUpgrade, ['SSH-2.0-x'], /no reply/],
    ['SMTP without an end', smtpUpgrade, Array<string>(200).fill('220-more'), /has no end/],
    ['IMAP that refuses it', imapUpgrade, ['* OK ready', 'sshferry BAD what'], /refuses STARTTLS/],
    ['IMAP that has logged in its client', imapUpgrade, ['* PREAUTH hello'], /PREAUTH/],
    [
      'IMAP that does not answer',
      imapUpgrade,
      ['* OK', ...Array<string>(200).fill('* 1 EXISTS')],
      /not answer/,
    ],
    ['FTP that refuses AUTH', ftpUpgrade, ['220 ready', '502 no'], /refuses AUTH TLS: "502 no"/],
    ['FTP that wants a login first', ftpUpgrade, ['220 ready', '530 log in'], /refuses AUTH TLS/],
  ] as const)('%s: TLS_REFUSED, and nothing more is said', (_what, upgrade, server, message) => {
    expect(() => play<unknown>(upgrade.before(), server)).toThrow(
      expect.objectContaining({ code: 'TLS_REFUSED', message: expect.stringMatching(message) }),
    );
  });
});

describe('what is said to an FTP server before its client', () => {
  it.each([
    ['220 ready', ['200 PBSZ=0', '200 Protected'], 'protected'],
    ['220 ready', ['503 not yet', '503 not yet'], 'after-login'],
    ['220 ready', ['530 log in', '530 log in'], 'after-login'],
    ['230 in already', ['200 PBSZ=0', '200 Protected'], 'protected'],
    ['421 full', [], 'protected'],
  ] as const)('after %s and %j: %s', (greeting, answers, protection) => {
    const { said, result } = play(prepare([], false), [greeting, ...answers]);
    expect(result).toEqual({ greeting: [greeting], protection });
    expect(said).toEqual(answers.length > 0 ? ['PBSZ 0', 'PROT P'] : []);
  });

  it('data is protected as well if the server needs a moment first (120)', () => {
    const { said, result } = play(prepare([], false), ['120 a moment', '220 ready', '200', '200']);
    expect(said).toEqual(['PBSZ 0', 'PROT P']);
    expect(result).toEqual({ greeting: ['120 a moment', '220 ready'], protection: 'protected' });
    const explicit = play(ftpUpgrade.before(), ['120 a moment', '220 ready', '234 go']);
    expect(explicit).toMatchObject({ said: ['AUTH TLS'], result: ['120 a moment', '220 ready'] });
  });

  it('reads the greeting by TLS if it has not come before', () => {
    const { said, result } = play(prepare([], false), ['220-a', '220 b', '200', '200']);
    expect(said).toEqual(['PBSZ 0', 'PROT P']);
    expect(result).toEqual({ greeting: ['220-a', '220 b'], protection: 'protected' });
  });

  it('a server that refuses PROT P is refused, unless that is allowed', () => {
    const server = ['200 ok', '536 no'];
    expect(() => play(prepare(['220 a'], false), server)).toThrow(
      expect.objectContaining({ code: 'TLS_REFUSED', hint: expect.stringContaining('TlsClearData=yes') }),
    );
    expect(play(prepare(['220 a'], true), server).result.protection).toBe('clear');
  });
});
