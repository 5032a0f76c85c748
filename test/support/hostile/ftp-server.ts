import type net from 'node:net';
import type { Dice } from './dice.ts';
import { PAGE_MARK, resetSocket, type Scene } from './scene.ts';

const GREETINGS = {
  '220 ready\r\n': 30,
  '': 1,
  '220-one\r\n220-two\r\n220 three\r\n': 3,
  '120 wait\r\n220 ready\r\n': 2,
  '421 busy\r\n': 1,
  '500 no\r\n': 1,
  'HTTP/1.0 200 OK\r\n\r\n': 1,
  '220-Entering Passive Mode (127,0,0,1,10,10)\r\n220 (|||99|)\r\n': 1,
  '220 ready\n': 1,
  '\r\n\r\n': 1,
};

/** What it answers a command with; most answers are right, so that sessions get somewhere. */
const ANSWERS = {
  right: 40,
  none: 1,
  twice: 1,
  wrong: 1.5,
  preliminary: 1,
  unfinished: 0.7,
  lines: 2,
  flood: 0.4,
  stray: 1.5,
  odd: 1,
  long: 0.4,
  split: 3,
  bye: 0.5,
  hangUp: 0.6,
  reset: 0.6,
  halfClose: 0.5,
};

const PORT_REPLIES = { right: 16, dead: 1, multi: 1, crossed: 1, foreign: 1, odd: 1, control: 0.5, late: 1 };
const DATA_MANNERS = { right: 16, reset: 1, close: 1, stall: 1, flood: 0.7, half: 1 };
const ENDINGS = { right: 12, none: 1, aborted: 1, early: 1, preliminary: 0.5, bye: 0.3 };

/** The test's FTP server on one control connection of a random session. */
export class HostileFtpServer {
  readonly #socket: net.Socket;
  readonly #dice: Dice;
  readonly #scene: Scene;
  readonly #actor: string;
  #unread = '';
  #listening: { port: number; close(): void } | null = null;
  /** The newest data connection, and the caller that waits for one. */
  #data: net.Socket | null = null;
  #onData: ((socket: net.Socket) => void) | null = null;

  constructor(socket: net.Socket, scene: Scene, actor: string) {
    this.#socket = scene.own(socket);
    this.#scene = scene;
    this.#actor = actor;
    this.#dice = scene.dice(actor);
    socket.on('data', (chunk) => this.#received(chunk));
    socket.on('end', () => this.#ended());
    this.#greet();
  }

  #greet(): void {
    const greeting = this.#dice.weighted(GREETINGS);
    this.#note(`greets with ${JSON.stringify(greeting)}`);
    this.#say(greeting);
    if (this.#dice.chance(0.02)) this.#leave();
    // A server that acts by itself, at any time.
    if (this.#dice.chance(0.1)) {
      this.#scene.later(this.#dice.between(0, 200), () => {
        const act = this.#dice.pick([
          'flood',
          'bye',
          'hangUp',
          'reset',
          'halfClose',
          'stray',
          'odd',
        ] as const);
        this.#answer(act, 'NOOP', '');
      });
    }
  }

  #received(chunk: Buffer): void {
    this.#unread += chunk.toString('latin1');
    if (this.#unread.includes(PAGE_MARK)) this.#scene.faults.push('bytes of a web page reached the server');
    for (;;) {
      const end = this.#unread.indexOf('\n');
      if (end < 0) break;
      const line = this.#unread.slice(0, end).trimEnd();
      this.#unread = this.#unread.slice(end + 1);
      this.#command(line);
    }
    if (this.#unread.length > 100_000) this.#unread = '';
  }

  #ended(): void {
    if (this.#dice.chance(0.1)) return this.#note('stays after the end');
    this.#socket.end();
  }

  #command(line: string): void {
    const [verb = '', argument = ''] = line.toUpperCase().split(' ');
    const answer = this.#dice.weighted(ANSWERS);
    if (answer !== 'right') this.#note(`${line.slice(0, 20)}: ${answer}`);
    this.#answer(answer, verb, argument);
  }

  #answer(answer: keyof typeof ANSWERS, verb: string, argument: string): void {
    const dice = this.#dice;
    switch (answer) {
      case 'right':
        return this.#right(verb, argument, (text) => this.#say(text));
      case 'none':
        return;
      case 'twice':
        this.#right(verb, argument, (text) => this.#say(text));
        return this.#say('200 again\r\n');
      case 'wrong':
        return this.#say(`${dice.pick([200, 226, 250, 350, 425, 426, 450, 502, 530, 550, 999])} so\r\n`);
      case 'preliminary':
        return this.#say('150 soon\r\n'.repeat(dice.between(1, 50)));
      case 'unfinished':
        return this.#say('211-begins\r\n more\r\n'.repeat(dice.between(1, 20)));
      case 'lines':
        return this.#say(`200-a\r\n b\r\n${dice.between(200, 599)}-c\r\n200 d\r\n`);
      case 'flood':
        return this.#say(
          dice.pick(['\r\n', '\n', '\r', '200 x\r\n', '226 done\r\n']).repeat(dice.between(1, 4000)),
        );
      case 'stray':
        return this.#say(
          dice.pick([
            '227 Entering Passive Mode (127,0,0,1,10,10)\r\n',
            '229 Entering (|||65535|)\r\n',
            '228 Long (4,4,127,0,0,1,2,9,9)\r\n',
            '226 done\r\n',
            '421 later\r\n',
          ]),
        );
      case 'odd':
        return this.#say(dice.bytes(300).toString('latin1'));
      case 'long':
        return this.#say(`200 ${'x'.repeat(dice.between(1000, 100_000))}${dice.pick(['\r\n', ''])}`);
      case 'split':
        return this.#right(verb, argument, (text) => this.#sayInPieces(text));
      case 'bye':
        this.#say('421 bye\r\n');
        return void this.#socket.end();
      default:
        return this.#leave(answer);
    }
  }

  #right(verb: string, argument: string, say: (text: string) => void): void {
    switch (verb) {
      case 'PASV':
      case 'EPSV':
        return void this.#passive(verb, say);
      case 'RETR':
      case 'LIST':
      case 'NLST':
        return this.#send(Number(argument) || 1000, say);
      case 'STOR':
      case 'APPE':
        return this.#store(say);
      case 'PASS':
        return say('230 in\r\n');
      case 'USER':
        return say('331 password\r\n');
      case 'ABOR':
        this.#data?.destroy();
        return say('226 aborted\r\n');
      case 'FEAT':
        return say('211-Features:\r\n EPSV\r\n SIZE\r\n AUTH TLS\r\n211 End\r\n');
      case 'QUIT':
        say('221 bye\r\n');
        return void this.#socket.end();
      default:
        return say(verb === '' ? '500 what?\r\n' : `200 ${verb.slice(0, 20)}\r\n`);
    }
  }

  async #passive(verb: string, say: (text: string) => void): Promise<void> {
    const dice = this.#dice;
    const manner = dice.weighted(PORT_REPLIES);
    const data = dice.weighted(DATA_MANNERS);
    if (manner !== 'right' || data !== 'right') this.#note(`port: ${manner}, data: ${data}`);
    this.#listening?.close();
    this.#data = null;
    const listening = await this.#scene.listen((socket) => this.#accepted(socket, data));
    this.#listening = listening;
    if (manner === 'dead') listening.close();
    if (manner === 'late') await this.#scene.sleep(dice.between(20, 200));
    const own = this.#socket.localPort ?? 21;
    const port =
      manner === 'odd' ? dice.pick([0, 1, 65_536, 99_999]) : manner === 'control' ? own : listening.port;
    const host = manner === 'foreign' ? '127,0,0,9' : '127,0,0,1';
    const six = `227 Entering Passive Mode (${host},${port >> 8},${port & 255}).\r\n`;
    const extended = `229 Entering Extended Passive Mode (|||${port}|)\r\n`;
    if (manner === 'multi') say(`227-x (127,0,0,1,10,10)\r\n229-(|||11|)\r\n`);
    say((verb === 'PASV') === (manner !== 'crossed') ? six : extended);
  }

  #accepted(socket: net.Socket, manner: keyof typeof DATA_MANNERS): void {
    socket.resume();
    if (manner === 'reset') return resetSocket(socket);
    if (manner === 'close') return void socket.destroy();
    if (manner === 'half') socket.end();
    if (manner === 'stall') socket.pause();
    if (manner === 'flood') socket.write(Buffer.alloc(600_000, 'flood '));
    this.#data = socket;
    this.#onData?.(socket);
    this.#onData = null;
  }

  #withData(act: (socket: net.Socket) => void): void {
    if (this.#data !== null) act(this.#data);
    else this.#onData = act;
    this.#data = null;
  }

  #send(bytes: number, say: (text: string) => void): void {
    const ending = this.#dice.weighted(ENDINGS);
    const manner = this.#dice.weighted({ end: 12, reset: 1, stay: 1, destroy: 1 });
    const before = this.#dice.chance(0.8);
    if (before) say('150 here\r\n');
    this.#withData((socket) => {
      if (!before) say('150 here\r\n');
      socket.write(Buffer.alloc(Math.min(bytes, 300_000), 'data '));
      if (ending === 'early') this.#finish(ending);
      if (manner === 'end') socket.end();
      else if (manner === 'reset') resetSocket(socket);
      else if (manner === 'destroy') socket.destroy();
      if (ending !== 'early') this.#finish(ending);
    });
  }

  #store(say: (text: string) => void): void {
    const ending = this.#dice.weighted(ENDINGS);
    const give = this.#dice.chance(0.1);
    say('150 send\r\n');
    this.#withData((socket) => {
      if (give) socket.destroy();
      if (ending === 'early') this.#finish(ending);
      else if (socket.readableEnded || socket.closed) this.#finish(ending);
      else
        socket.once('end', () => {
          this.#finish(ending);
          socket.end();
        });
    });
  }

  #finish(ending: keyof typeof ENDINGS): void {
    if (ending !== 'right') this.#note(`end of a transfer: ${ending}`);
    if (ending === 'none') return;
    if (ending === 'aborted') return this.#say('426 aborted\r\n');
    if (ending === 'preliminary') return this.#say('150 again\r\n226 done\r\n');
    if (ending === 'bye') {
      this.#say('421 bye\r\n');
      return void this.#socket.end();
    }
    this.#say('226 done\r\n');
  }

  #leave(how: 'hangUp' | 'reset' | 'halfClose' = this.#dice.pick(['hangUp', 'reset', 'halfClose'])): void {
    if (how === 'hangUp') this.#socket.destroy();
    else if (how === 'reset') resetSocket(this.#socket);
    else this.#socket.end();
  }

  #say(text: string): void {
    if (text !== '' && this.#socket.writable) this.#socket.write(text, 'latin1');
  }

  #sayInPieces(text: string): void {
    const at = this.#dice.between(1, Math.max(1, text.length - 1));
    this.#say(text.slice(0, at));
    this.#scene.later(this.#dice.between(1, 20), () => this.#say(text.slice(at)));
  }

  #note(act: string): void {
    this.#scene.note(this.#actor, act);
  }
}

/** An ordinary FTP server: `RETR n` sends n bytes. */
export function politeFtpServer(socket: net.Socket, scene: Scene): void {
  let arrived: Promise<net.Socket> | null = null;
  let unread = '';
  scene.own(socket).on('end', () => socket.end());
  socket.write('220 ready\r\n');

  const passive = async () => {
    let arrive: (socket: net.Socket) => void = () => {};
    arrived = new Promise((resolve) => {
      arrive = resolve;
    });
    const listening = await scene.listen((arriving) => {
      listening.close();
      arrive(arriving);
    });
    socket.write(`229 Entering Extended Passive Mode (|||${listening.port}|)\r\n`);
  };

  const retrieve = async (bytes: number) => {
    socket.write('150 here\r\n');
    const data = await arrived;
    data?.end(wholeFile(bytes)).resume();
    socket.write('226 done\r\n');
  };

  socket.on('data', (chunk) => {
    const lines = `${unread}${chunk}`.split('\r\n');
    unread = lines.pop() ?? '';
    for (const line of lines) {
      if (line === 'EPSV') void passive();
      else if (line.startsWith('RETR')) void retrieve(Number(line.slice(5)));
      else socket.write('230 fine\r\n');
    }
  });
}

/** What `RETR n` brings from the polite server. */
export function wholeFile(bytes: number): Buffer {
  return Buffer.alloc(bytes, 'whole and in order ');
}
