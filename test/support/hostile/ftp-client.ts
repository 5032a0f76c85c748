import type net from 'node:net';
import type { Endpoint } from '../../../src/core/endpoint.ts';
import type { Dice } from './dice.ts';
import { PAGE_MARK, resetSocket, type Scene } from './scene.ts';

/** How long it waits for a reply, in milliseconds. */
const PATIENCE = 150;

const FIRST_WORDS = { none: 30, http: 1, tls: 1, early: 1, junk: 1, leave: 1 };

const STEPS = {
  passive: 14,
  active: 5,
  pipelined: 3,
  command: 5,
  abort: 2,
  flood: 0.7,
  junk: 1,
  long: 0.5,
  page: 0.5,
  deaf: 0.7,
  pause: 1,
  ports: 1,
};

const LEAVINGS = { quit: 3, end: 3, destroy: 3, reset: 3, halfClose: 2 };
const DATA_MANNERS = { read: 12, reset: 1, destroy: 1, half: 1, deaf: 1, idle: 1, never: 1, twice: 0.5 };

const PAGE = `POST / HTTP/1.1\r\nHost: localhost\r\nX: ${PAGE_MARK}\r\n\r\nUSER ${PAGE_MARK}\r\nMKD x\r\n`;
const TLS_HELLO = Buffer.concat([
  Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
  Buffer.from(PAGE_MARK),
]);

/** The test's FTP client on one control connection of a random session. */
class HostileFtpClient {
  readonly #socket: net.Socket;
  readonly #dice: Dice;
  readonly #scene: Scene;
  readonly #actor: string;
  #text = '';
  #changed: (() => void)[] = [];

  constructor(socket: net.Socket, scene: Scene, actor: string, dice: Dice) {
    this.#socket = socket;
    this.#scene = scene;
    this.#actor = actor;
    this.#dice = dice;
    const wake = () => {
      const waiting = this.#changed;
      this.#changed = [];
      for (const resolve of waiting) resolve();
    };
    socket.on('data', (chunk) => {
      this.#text = (this.#text + chunk.toString('latin1')).slice(-2000);
      wake();
    });
    socket.on('end', wake).on('close', wake);
  }

  async play(): Promise<void> {
    await this.#begin();
    const steps = this.#dice.between(1, 7);
    for (let i = 0; i < steps && this.#socket.writable; i++) {
      const step = this.#dice.weighted(STEPS);
      this.#note(step);
      await this.#step(step);
    }
    await this.#leave(this.#dice.weighted(LEAVINGS));
  }

  async #begin(): Promise<void> {
    const words = this.#dice.weighted(FIRST_WORDS);
    if (words !== 'none') this.#note(`first words: ${words}`);
    if (words === 'leave') return resetSocket(this.#socket);
    if (words === 'http') this.#send(PAGE);
    if (words === 'tls') this.#send(TLS_HELLO);
    if (words === 'early') this.#send('USER early\r\n');
    if (words === 'junk') this.#send(this.#dice.bytes(200));
    await this.#reply();
    if (this.#dice.chance(0.85)) {
      await this.#command('USER a');
      await this.#command('PASS b');
    }
  }

  async #step(step: keyof typeof STEPS): Promise<void> {
    const dice = this.#dice;
    switch (step) {
      case 'passive':
        return this.#passive();
      case 'active':
        return this.#active();
      case 'pipelined':
        this.#send(
          dice.pick(['PASV\r\nRETR 10\r\nNOOP\r\n', 'EPSV\r\nEPSV\r\nPASV\r\n', 'NOOP\r\n'.repeat(30)]),
        );
        return void (await this.#reply());
      case 'command':
        return void (await this.#command(
          dice.pick([
            'NOOP',
            'FEAT',
            'STAT',
            'SIZE 10',
            'AUTH TLS',
            'EPSV ALL',
            'REST 1',
            'PBSZ 0',
            'LPSV',
            'REIN',
            '',
            'XYZZY',
          ]),
        ));
      case 'abort':
        this.#send(
          Buffer.concat([Buffer.from(dice.pick([[], [255, 244, 255, 242], [242]])), Buffer.from('ABOR\r\n')]),
        );
        return void (await this.#reply());
      case 'flood':
        this.#send(
          dice.pick(['\r\n', '\n', '\r', 'NOOP\r\n', 'EPSV\r\n', 'ABOR\r\n']).repeat(dice.between(1, 3000)),
        );
        return;
      case 'junk':
        return this.#send(dice.bytes(500));
      case 'long':
        return this.#send(`RETR ${'x'.repeat(dice.between(100, 200_000))}${dice.pick(['\r\n', ''])}`);
      case 'page':
        return this.#send(PAGE.replaceAll(PAGE_MARK, 'late'));
      case 'deaf':
        this.#socket.pause();
        this.#send('STAT\r\n'.repeat(dice.between(1, 500)));
        await this.#scene.sleep(dice.between(1, 100));
        return void this.#socket.resume();
      case 'pause':
        return this.#scene.sleep(dice.between(1, 100));
      case 'ports':
        for (let i = 0; i < dice.between(1, 20); i++) this.#send(`${dice.pick(['PASV', 'EPSV'])}\r\n`);
        return void (await this.#reply());
    }
  }

  async #passive(): Promise<void> {
    const verb = this.#dice.pick(['PASV', 'EPSV']);
    const manner = this.#dice.weighted(DATA_MANNERS);
    const upload = this.#dice.chance(0.35);
    this.#text = '';
    await this.#command(verb);
    const port = namedPort(this.#text);
    const early = this.#dice.chance(0.7);
    const command = upload ? 'STOR f' : this.#dice.pick(['RETR 3000', 'RETR 250000', 'LIST', 'RETR 0']);
    if (manner !== 'read') this.#note(`data: ${manner}, ${command}`);
    if (!early) this.#send(`${command}\r\n`);
    const data =
      port === 0 || manner === 'never' ? null : await this.#scene.dial({ host: '127.0.0.1', port });
    if (manner === 'twice' && port !== 0) void this.#scene.dial({ host: '127.0.0.1', port });
    if (early) this.#send(`${command}\r\n`);
    if (data !== null) await this.#useData(data, manner, upload);
    if (this.#dice.chance(0.1)) this.#send('ABOR\r\n');
    await this.#reply();
  }

  async #active(): Promise<void> {
    const dice = this.#dice;
    const manner = dice.weighted(DATA_MANNERS);
    const upload = dice.chance(0.35);
    const arrived = { done: () => {} };
    const used = new Promise<void>((resolve) => {
      arrived.done = resolve;
    });
    const listening = await this.#scene.listen((socket) => {
      void this.#useData(socket, manner, upload).then(arrived.done);
    });
    const where = dice.weighted({ own: 10, dead: 1, foreign: 1, low: 1, wrong: 1 });
    if (where !== 'own') this.#note(`active: ${where}`);
    if (where === 'dead') listening.close();
    const port = where === 'low' ? 22 : listening.port;
    const host = where === 'foreign' ? '127.0.0.77' : '127.0.0.1';
    const six = `${host.replaceAll('.', ',')},${port >> 8},${port & 255}`;
    const argument = where === 'wrong' ? 'x,y' : six;
    await this.#command(dice.chance(0.5) ? `PORT ${argument}` : `EPRT |1|${host}|${port}|`);
    if (dice.chance(0.1)) return;
    this.#send(upload ? 'STOR f\r\n' : dice.pick(['RETR 3000\r\n', 'NLST\r\n']));
    await this.#scene.within(PATIENCE, used, undefined);
    await this.#reply();
  }

  async #useData(data: net.Socket, manner: keyof typeof DATA_MANNERS, upload: boolean): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      data.once('end', resolve).once('close', () => resolve());
    });
    if (upload) data.write(Buffer.alloc(this.#dice.pick([0, 1, 5000, 200_000]), 'upload '));
    if (manner === 'deaf') data.pause();
    else data.resume();
    if (manner === 'reset') resetSocket(data);
    else if (manner === 'destroy') data.destroy();
    else if (manner === 'half' || (upload && manner !== 'idle')) data.end();
    await this.#scene.within(PATIENCE, ended, undefined);
    if (manner === 'read' && !upload) data.end();
  }

  async #leave(how: keyof typeof LEAVINGS): Promise<void> {
    this.#note(`leaves: ${how}`);
    if (how === 'quit') this.#send('QUIT\r\n');
    if (how === 'reset') resetSocket(this.#socket);
    if (how === 'destroy') this.#socket.destroy();
    if (how === 'end' || how === 'quit' || how === 'halfClose') {
      if (how !== 'quit') this.#socket.end();
      const closed = new Promise<void>((resolve) => this.#socket.once('end', resolve).once('close', resolve));
      if (!this.#socket.closed && how !== 'end') await this.#scene.within(PATIENCE, closed, undefined);
      this.#socket.end();
    }
  }

  async #command(line: string): Promise<void> {
    this.#send(`${line}\r\n`);
    await this.#reply();
  }

  /** Waits for any line, the end, or PATIENCE. */
  async #reply(): Promise<void> {
    if (this.#socket.closed || this.#socket.readableEnded) return;
    await this.#scene.within(
      PATIENCE,
      new Promise<void>((resolve) => this.#changed.push(resolve)),
      undefined,
    );
  }

  #send(data: string | Uint8Array): void {
    if (this.#socket.writable)
      this.#socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
  }

  #note(act: string): void {
    this.#scene.note(this.#actor, act);
  }
}

/** Plays one client; resolves when it has done all that it does. Its socket may still be open. */
export async function playClient(scene: Scene, actor: string, to: Endpoint): Promise<void> {
  const socket = await scene.dial(to);
  if (socket === null) return;
  await new HostileFtpClient(socket, scene, actor, scene.dice(actor)).play();
}

function namedPort(text: string): number {
  const six = /227 .*?\d+,\d+,\d+,\d+,(\d+),(\d+)/.exec(text);
  if (six) return Number(six[1]) * 256 + Number(six[2]);
  return Number(/229 .*\(\|\|\|(\d+)\|\)/.exec(text)?.[1] ?? 0);
}
