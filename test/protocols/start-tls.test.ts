import { describe, expect, it } from 'vitest';
import { ImapStartTls } from '../../src/protocols/starttls/imap.ts';
import { Pop3StartTls } from '../../src/protocols/starttls/pop3.ts';
import type { StartTlsRules } from '../../src/protocols/starttls/rules.ts';
import { SmtpStartTls } from '../../src/protocols/starttls/smtp.ts';
import { type Side, StartTls, type StartTlsAction } from '../../src/protocols/starttls/start-tls.ts';

type Script = readonly (readonly [from: Side, text: string, ...expected: string[]])[];

/** Plays a script line by line, and byte by byte: the same must come of it. */
function script(name: string, rules: new () => StartTlsRules, required: boolean, steps: Script): void {
  describe(name, () => {
    it.each([false, true])('byte by byte: %s', (bytewise) => {
      const dialogue = new StartTls(new rules(), required);
      for (const [from, text, ...expected] of steps) {
        const bytes = Buffer.from(text.replaceAll('|', '\r\n'), 'latin1');
        const parts = bytewise ? [...bytes].map((byte) => Buffer.of(byte)) : [bytes];
        const actions = parts.flatMap((part) => dialogue.receive(from, part));
        expect(merged(actions.map(words)), text).toEqual(expected);
      }
    });
  });
}

function words(action: StartTlsAction): string {
  if (action.type === 'close') return `close ${action.reason.code}`;
  if (action.type !== 'send') return action.type;
  return `${action.to === 'client' ? '<' : '>'} ${Buffer.from(action.bytes).toString('latin1')}`;
}

/** Adjacent bytes to one side are one send. */
function merged(lines: readonly string[]): string[] {
  const result: string[] = [];
  for (const line of lines) {
    const last = result.at(-1);
    if (last !== undefined && /^[<>] /.test(line) && last.startsWith(line.slice(0, 2)))
      result[result.length - 1] = last + line.slice(2);
    else result.push(line);
  }
  return result.map((line) => line.replaceAll('\r\n', '|'));
}

describe('POP3', () => {
  script('STLS after CAPA', Pop3StartTls, false, [
    ['server', '+OK ready|', '< +OK ready|'],
    ['client', 'CAPA|', '> CAPA|'],
    ['server', '+OK list|TOP|STLS|USER|.|', '< +OK list|TOP|USER|STLS|.|'],
    ['client', 'stls|', '< +OK sshferry: TLS begins now|', 'secure'],
    ['client', 'CAPA|', '> CAPA|'],
    ['server', '+OK list|TOP|STLS|USER|.|', '< +OK list|TOP|USER|.|'],
    ['client', 'STLS|', '< -ERR sshferry: TLS has begun already|'],
    ['client', 'USER a|', '> USER a|', 'open'],
    ['client', 'PASS b|', '> PASS b|'],
    ['server', '+OK|+OK|', '< +OK|+OK|'],
  ]);
  script('without TLS', Pop3StartTls, false, [
    ['server', '+OK <1.2@x>|', '< +OK <1.2@x>|'],
    ['client', 'AUTH|', '> AUTH|'],
    ['server', '+OK|PLAIN|.|', '< +OK|PLAIN|.|'],
    ['client', 'CAPA|', '> CAPA|'],
    ['server', '-ERR what|', '< -ERR what|'],
    ['client', 'APOP a b|', '> APOP a b|', 'open'],
    ['client', 'STLS|', '> STLS|'],
  ]);
  script('required', Pop3StartTls, true, [
    ['server', '+OK ready|', '< +OK ready|'],
    ['client', 'USER a|', '< -ERR sshferry: TLS is required here; send STLS first|'],
    ['client', 'PASS b|', '< -ERR sshferry: TLS is required here; send STLS first|'],
    ['client', 'STLS|', '< +OK sshferry: TLS begins now|', 'secure'],
    ['client', 'USER a|', '> USER a|', 'open'],
  ]);
});

describe('SMTP', () => {
  script('STARTTLS after EHLO, in place of the server’s', SmtpStartTls, false, [
    ['server', '220-hi|220 there|', '< 220-hi|220 there|'],
    ['client', 'EHLO me|', '> EHLO me|'],
    [
      'server',
      '250-mx greets|250-STARTTLS|250-AUTH PLAIN|250 SIZE 1|',
      '< 250-mx greets|250-AUTH PLAIN|250-SIZE 1|250 STARTTLS|',
    ],
    ['client', 'STARTTLS now|', '< 501 5.5.4 sshferry: STARTTLS takes no argument|'],
    ['client', 'STARTTLS|', '< 220 2.0.0 sshferry: TLS begins now|', 'secure'],
    ['client', 'EHLO me|', '> EHLO me|'],
    ['server', '250-mx greets|250-STARTTLS|250 AUTH PLAIN|', '< 250-mx greets|250 AUTH PLAIN|'],
    ['client', 'STARTTLS|', '< 503 5.5.1 sshferry: TLS has begun already|'],
    ['client', 'MAIL FROM:<a@b>|', '> MAIL FROM:<a@b>|', 'open'],
    ['server', '250 ok|', '< 250 ok|'],
  ]);
  script('required: neither MAIL nor AUTH is passed or offered before', SmtpStartTls, true, [
    ['server', '220 hi|', '< 220 hi|'],
    ['client', 'EHLO me|', '> EHLO me|'],
    ['server', '250-mx|250-AUTH=PLAIN|250 AUTH PLAIN|', '< 250-mx|250 STARTTLS|'],
    ['client', 'AUTH PLAIN AGEAYg==|', '< 530 5.7.0 sshferry: TLS is required here; send STARTTLS first|'],
    ['client', 'MAIL FROM:<a@b>|', '< 530 5.7.0 sshferry: TLS is required here; send STARTTLS first|'],
    ['client', 'STARTTLS|', '< 220 2.0.0 sshferry: TLS begins now|', 'secure'],
    ['client', 'EHLO me|', '> EHLO me|'],
    ['server', '250-mx|250 AUTH PLAIN|', '< 250-mx|250 AUTH PLAIN|'],
    ['client', 'AUTH PLAIN AGEAYg==|', '> AUTH PLAIN AGEAYg==|', 'open'],
  ]);
  script('a server without EHLO', SmtpStartTls, false, [
    ['server', '220 hi|', '< 220 hi|'],
    ['client', 'EHLO me|', '> EHLO me|'],
    ['server', '502 no|', '< 502 no|'],
    ['client', 'HELO me|', '> HELO me|'],
    ['server', '250 mx|', '< 250 mx|'],
    ['client', 'STARTTLS|', '< 220 2.0.0 sshferry: TLS begins now|', 'secure'],
  ]);
});

describe('IMAP', () => {
  script('STARTTLS; the capabilities change with it', ImapStartTls, false, [
    [
      'server',
      '* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready|',
      '< * OK [CAPABILITY IMAP4rev1 LOGINDISABLED STARTTLS] ready|',
    ],
    ['client', 'a CAPABILITY|', '> a CAPABILITY|'],
    ['server', '* CAPABILITY IMAP4rev1 ID|a OK done|', '< * CAPABILITY IMAP4rev1 ID STARTTLS|a OK done|'],
    ['client', 'b STARTTLS|', '< b OK sshferry: TLS begins now|', 'secure'],
    ['client', 'c CAPABILITY|', '> c CAPABILITY|'],
    ['server', '* CAPABILITY IMAP4rev1 STARTTLS|c OK done|', '< * CAPABILITY IMAP4rev1|c OK done|'],
    ['client', 'd STARTTLS|', '< d BAD sshferry: TLS has begun already|'],
    ['client', 'e LOGIN a b|', '> e LOGIN a b|', 'open'],
    ['server', 'e OK [CAPABILITY IMAP4rev1 STARTTLS] in|', '< e OK [CAPABILITY IMAP4rev1 STARTTLS] in|'],
  ]);
  script('required', ImapStartTls, true, [
    [
      'server',
      '* OK [CAPABILITY IMAP4rev1] ready|',
      '< * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready|',
    ],
    ['client', 'nonsense|', '< * BAD sshferry: a tag and a command expected|'],
    [
      'client',
      'a LOGIN a b|',
      '< a NO [PRIVACYREQUIRED] sshferry: TLS is required here; send STARTTLS first|',
    ],
    [
      'client',
      'b ID ("x" {4+}|',
      '< b NO [PRIVACYREQUIRED] sshferry: TLS is required here; send STARTTLS first|',
    ],
    ['client', 'c STARTTLS|', '< c OK sshferry: TLS begins now|', 'secure'],
    ['client', 'd AUTHENTICATE PLAIN|', '> d AUTHENTICATE PLAIN|', 'open'],
  ]);
  script('a client that is logged in from the start', ImapStartTls, false, [
    ['server', '* PREAUTH hi|', '< * PREAUTH hi|', 'open'],
  ]);
  script('the same, where TLS is required', ImapStartTls, true, [
    ['server', '* PREAUTH hi|', 'close CLIENT_TLS'],
  ]);
});

describe('bytes in the clear after the command that begins TLS', () => {
  it.each([
    ['POP3', Pop3StartTls, '+OK\r\n', 'STLS\r\nUSER evil\r\n'],
    ['SMTP', SmtpStartTls, '220 hi\r\n', 'STARTTLS\r\nRSET\r\n'],
    ['IMAP', ImapStartTls, '* OK\r\n', 'a STARTTLS\r\nb LOG'],
  ] as const)('end a session of %s', (_name, rules, greeting, text) => {
    const dialogue = new StartTls(new rules(), false);
    dialogue.receive('server', Buffer.from(greeting));
    expect(dialogue.receive('client', Buffer.from(text)).map(words)).toEqual(['close CLIENT_INJECTION']);
  });
});

describe('commands', () => {
  it('wait for the greeting and for the reply to the one before', () => {
    const dialogue = new StartTls(new Pop3StartTls(), false);
    const receive = (side: Side, text: string) =>
      merged(dialogue.receive(side, Buffer.from(text)).map(words));
    expect(receive('client', 'CAPA\r\nNOOP\r\nUSER a\r\n')).toEqual([]);
    expect(receive('server', '+OK\r\n')).toEqual(['< +OK|', '> CAPA|']);
    expect(receive('server', '+OK\r\n.\r\n')).toEqual(['< +OK|STLS|.|', '> NOOP|']);
    expect(receive('server', '+OK\r\n')).toEqual(['< +OK|', '> USER a|', 'open']);
  });

  it('that a client sent before its end still get their replies', () => {
    const dialogue = new StartTls(new Pop3StartTls(), false);
    dialogue.receive('client', Buffer.from('CAPA\r\nQUIT\r\n'));
    expect(dialogue.end('client')).toEqual([]);
    dialogue.receive('server', Buffer.from('+OK\r\n+OK\r\n'));
    expect(merged(dialogue.receive('server', Buffer.from('.\r\n')).map(words))).toEqual([
      '< STLS|.|',
      '> QUIT|',
      'open',
    ]);
  });

  it('do not pass in the clear, where TLS is required, after the server has ended', () => {
    const dialogue = new StartTls(new Pop3StartTls(), true);
    dialogue.receive('server', Buffer.from('+OK\r\n'));
    expect(dialogue.end('server').map(words)).toEqual(['finish']);
  });

  it.each(['client', 'server'] as const)('an endless line of the %s ends the session', (side) => {
    const dialogue = new StartTls(new SmtpStartTls(), false);
    dialogue.receive('server', Buffer.from('220 hi\r\n'));
    expect(dialogue.receive(side, Buffer.alloc(20_000, 'x')).map(words)).toEqual(['close SESSION_FAILED']);
    expect(dialogue.receive(side, Buffer.from('more\r\n'))).toEqual([]);
  });

  it('an endless line that waits behind the login ends the session as well', () => {
    const dialogue = new StartTls(new Pop3StartTls(), false);
    dialogue.receive('client', Buffer.from(`USER a\r\n${'x'.repeat(20_000)}`));
    expect(dialogue.receive('server', Buffer.from('+OK\r\n')).map(words).at(-1)).toBe('close SESSION_FAILED');
  });

  it('what the server says in one piece keeps its order when the login begins', () => {
    const dialogue = new StartTls(new Pop3StartTls(), false);
    dialogue.receive('client', Buffer.from('USER a\r\n'));
    const actions = dialogue.receive('server', Buffer.from('+OK\r\n+OK one\r\n+OK tw'));
    expect(merged(actions.map(words))).toEqual(['< +OK|', '> USER a|', '< +OK one|+OK tw', 'open']);
  });

  it('a long line that is not whole waits for no reply: the rest of it may come', () => {
    const dialogue = new StartTls(new SmtpStartTls(), false);
    dialogue.receive('server', Buffer.from('220 hi\r\n'));
    expect(dialogue.receive('client', Buffer.from(`AUTH XOAUTH2 ${'x'.repeat(10_000)}`))).toEqual([]);
    expect(dialogue.waiting).toBe(0);
    expect(dialogue.receive('client', Buffer.from('\r\n')).map(words).at(-1)).toBe('open');
    const held = new StartTls(new SmtpStartTls(), false);
    held.receive('client', Buffer.from('EHLO a\r\nEHLO'));
    expect(held.waiting).toBe(12);
  });
});
