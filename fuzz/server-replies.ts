import { ASKS_FOR_PORT } from './client.ts';
import type { Scene } from './scene.ts';

/** What the server replies to a command. */
export class ServerReplies {
  readonly #scene: Scene;
  /** It has said that it does not know PASV, or EPSV. */
  #unknown = false;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** A reply that cannot be to the ABOR or NOOP that had none. */
  plainReplyTo(verb: string, text: string, unanswered: 'ABOR' | 'NOOP'): string {
    const agreed = this.#agreeingReplyTo(verb, text);
    if (agreed !== null) return agreed;
    if (unanswered === 'NOOP')
      return `${verb.endsWith('ABOR') ? 226 : [250, 250, 550][this.#scene.pick(3)]} ${text}\r\n`;
    return verb === 'PORT' || verb === 'EPRT' || verb === 'NOOP'
      ? `200 ${text}\r\n`
      : `${[200, 250, 550][this.#scene.pick(3)]} ${text}\r\n`;
  }

  replyTo(verb: string, text: string): string {
    // A line of text that looks like a 227 is text only while no client waits for a 227, nor sends
    // for one meanwhile: not where the reply may be held.
    const asks =
      /^(RETR|STOR|ended|aborted)$/.test(verb) ||
      this.#scene.expected.some(({ sent }) => ASKS_FOR_PORT.test(sent)) ||
      // FtpPrefetch asks before the client does.
      this.#scene.commands.some((command) => ASKS_FOR_PORT.test(command)) ||
      this.#scene.control.holds('server') ||
      this.#scene.control.kept > 0 ||
      this.#scene.toSend.server.length > 0;
    const multi = (code: number) => {
      switch (this.#scene.pick(6)) {
        case 0:
        case 1:
          return `${code}-first\r\n 226 no\r\n${asks ? ' ' : ''}227 (1,2,3,4,5,6)\r\n${code} ${text}\r\n`;
        case 2: {
          // The first line alone would not show that it answers a command that servers leave
          // unanswered.
          if (/ABOR$|^(aborted|NOOP)$/.test(verb)) return `${code} ${text}\r\n`;
          // As glftpd's scripts do: it ends with another code than it began with.
          const other = [553, 230, 211][/^(RETR|STOR|ended)$/.test(verb) ? 0 : this.#scene.pick(3)] ?? 553;
          return `${other}-first\r\n${other}-more\r\n${code} ${text}\r\n`;
        }
        default:
          return `${code} ${text}\r\n`;
      }
    };
    const of = (...codes: number[]) => multi(codes[this.#scene.pick(codes.length)] ?? 200);
    if (this.#scene.obliging) {
      const reply = this.#obligingReplyTo(verb, text);
      if (reply !== null) return reply;
    }
    switch (verb) {
      case 'GREETING':
        return `${this.#scene.pick(2) === 0 ? '120 wait\r\n' : ''}220 greeting${this.#scene.isVsftpd ? ' (vsFTPd 3)' : ''}\r\n`;
      case 'LPSV':
        return (
          ['228 (4,4,10,1,1,1,2,4,1)\r\n', '228 (4,4,10,1,1,1,2,4)\r\n', '500 LPSV\r\n'][
            this.#scene.pick(3)
          ] ?? ''
        );
      case 'ended':
        return of(226, 226, 250, 426, 451);
      case 'aborted':
        return of(226, 426, 426);
      case 'PASV':
      case 'EPSV': {
        const reply =
          [
            '227 (10,1,1,1,4,1)\r\n',
            '227-x\r\n227 1,2,3,4,5,6\r\n',
            '229 (|||1025|)\r\n',
            '227-Mode (10,1,1,1,4,1)\r\n more\r\n227 ok\r\n',
            '229-Mode (||1025|)\r\n229 ok\r\n',
            '230-x\r\n more\r\n227 (10,1,1,1,4,1)\r\n',
            '553-x\r\n229 (|||1025|)\r\n',
            `500 ${verb}\r\n`,
            `530 ${verb}\r\n`,
            '227 nonsense\r\n',
          ][this.#scene.pick(10)] ?? '';
        // One that does not know PASV has no 227 to say either.
        const [, code = ''] = /^(22[79])[ -]/m.exec(reply) ?? [];
        const own = verb === 'PASV' ? '227' : '229';
        return code !== '' && code !== own && this.#unknown ? `500 ${verb}\r\n` : this.refusing(reply);
      }
      case 'RETR':
      case 'STOR':
        if (this.#scene.pick(4) === 0) return of(425, 550, 226);
        if (this.#scene.pick(2) === 0) this.#scene.running = text;
        return `${this.#scene.pick(2) === 0 ? `150-a\r\n150 ${text}\r\n` : `125 ${text}\r\n`}${this.#scene.running === null ? of(226, 226, 250, 426, 451) : ''}`;
      case 'ABOR':
        return of(225, 226);
      case 'PORT':
      case 'EPRT':
        return of(200, 200, 500);
      case 'REST':
        return of(350, 350, 501);
      case 'FEAT':
        return `211-FEAT\r\n EPSV\r\n AUTH TLS\r\n211 FEAT\r\n`;
      case 'QUIT':
        return of(221, 221, 500);
      case 'NOOP':
        return of(200, 200, 500);
      case 'USER':
        return of(230, 230, 230, 331, 530);
      default:
        return of(200, 250, 550);
    }
  }

  refusing(reply: string): string {
    this.#unknown ||= reply.startsWith('500');
    return reply;
  }

  #obligingReplyTo(verb: string, text: string): string | null {
    return verb === 'ended' ? `226 ${text}\r\n` : this.#agreeingReplyTo(verb, text);
  }

  /** Of a server that does what a data connection is asked for; null for other commands. */
  #agreeingReplyTo(verb: string, text: string): string | null {
    switch (verb) {
      case 'PASV':
        return '227 (10,1,1,1,4,1)\r\n';
      case 'EPSV':
        return '229 (|||1025|)\r\n';
      case 'LPSV':
        return '228 (4,4,10,1,1,1,2,4,1)\r\n';
      case 'RETR':
      case 'STOR':
        this.#scene.running = text;
        return `150 ${text}\r\n`;
      default:
        return null;
    }
  }

  junk(): string {
    if (this.#scene.pick(12) === 0) return '200 a\r227 (10,1,1,1,4,1)\r\n';
    if (this.#scene.pick(12) === 0) return '2270 (10,1,1,1,4,1)\r\n';
    const codes = [150, 200, 211, 220, 225, 226, 227, 229, 250, 350, 421, 425, 426, 500, 502, 550];
    const code = codes[this.#scene.pick(codes.length)];
    const rest = [
      ' (10,1,1,1,4,1)',
      '-open',
      ' (|||22|)',
      '',
      ' (|||99999|)',
      ' 8.8.8.8,1,2,3,4,5,6',
      '\xff\r',
    ];
    return `${this.#scene.pick(12) === 0 ? ' ' : ''}${code}${rest[this.#scene.pick(rest.length)]}\r\n`;
  }
}
