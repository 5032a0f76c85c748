import { createReadStream } from 'node:fs';
import { mkdir, open, rmdir, unlink } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PASSWORD, USER } from './account.ts';
import { FtpFiles, fileErrorText } from './ftp-files.ts';
import { lines, parseCommand } from './lines.ts';
import { PassivePort } from './passive-port.ts';
import { type Running, serve } from './serve.ts';

const FEATURES = ['EPSV', 'PASV', 'REST STREAM', 'SIZE', 'MDTM', 'UTF8'];

/**
 * Serves the directory `root` by passive FTP (RFC 959, 2428, 3659) on 127.0.0.1, data ports included. It executes
 * commands one after another. A download's 226 follows the end of the data, and a broken data connection gets 426.
 */
export function startFtpServer(root: string): Promise<Running> {
  return serve(async (socket) => {
    const session = new FtpSession(socket, root);
    socket.once('close', () => session.close());
    await session.run();
  });
}

class FtpSession {
  readonly #socket: Socket;
  readonly #files: FtpFiles;
  #user = '';
  #loggedIn = false;
  #passive: PassivePort | null = null;
  /** Where the next transfer starts, in bytes (REST). */
  #offset = 0;

  constructor(socket: Socket, root: string) {
    this.#socket = socket;
    this.#files = new FtpFiles(root);
  }

  async run(): Promise<void> {
    this.#reply('220 FTP demo ready');
    for await (const line of lines(this.#socket)) {
      const { verb, argument } = parseCommand(line);
      this.#reply(await this.#answer(verb, argument));
      if (verb === 'QUIT') return;
    }
  }

  close(): void {
    this.#passive?.close();
    this.#passive = null;
  }

  #reply(text: string): void {
    this.#socket.write(`${text}\r\n`);
  }

  /** Executes a command and returns its final reply. */
  async #answer(verb: string, argument: string): Promise<string> {
    switch (verb) {
      case 'QUIT':
        return '221 Bye';
      case 'FEAT':
        return ['211-Features', ...FEATURES.map((feature) => ` ${feature}`), '211 End'].join('\r\n');
      case 'USER':
        this.#loggedIn = false;
        this.#user = argument;
        return '331 Send PASS';
      case 'PASS':
        this.#loggedIn = this.#user === USER && argument === PASSWORD;
        return this.#loggedIn ? '230 Logged in' : '530 Wrong user name or password';
      default:
        if (!this.#loggedIn) return '530 Log in first';
        return this.#command(verb, argument).catch((error) => `550 ${fileErrorText(error)}`);
    }
  }

  async #command(verb: string, argument: string): Promise<string> {
    const files = this.#files;
    switch (verb) {
      case 'EPSV':
        if (argument.toUpperCase() === 'ALL') return '200 EPSV only';
        return `229 Extended passive mode (|||${await this.#listen()}|)`;
      case 'PASV': {
        const port = await this.#listen();
        return `227 Passive mode (127,0,0,1,${port >> 8},${port & 255})`;
      }
      case 'LIST':
      case 'NLST':
        // Clients send options of ls such as -a, which are not names.
        return this.#list(argument.replace(/^-\S*\s*/, ''), verb === 'LIST');
      case 'RETR':
        return this.#retrieve(argument);
      case 'STOR':
      case 'APPE':
        return this.#store(argument, verb === 'APPE');
      case 'REST':
        if (!/^\d{1,15}$/.test(argument)) return '501 Not a number of bytes';
        this.#offset = Number(argument);
        return `350 Next transfer starts at ${this.#offset}`;
      case 'SIZE': {
        const stats = await files.stat(argument);
        return stats.isFile() ? `213 ${stats.size}` : '550 Not a file';
      }
      case 'MDTM': {
        const { mtime } = await files.stat(argument);
        return `213 ${mtime.toISOString().replace(/[-:T]/g, '').slice(0, 14)}`;
      }
      case 'PWD':
        return `257 ${quoted(files.cwd)}`;
      case 'CWD':
      case 'CDUP':
        await files.changeDirectory(verb === 'CDUP' ? '..' : argument);
        return `250 Now in ${files.cwd}`;
      case 'MKD':
        await mkdir(files.resolve(argument));
        return `257 ${quoted(files.absolute(argument))}`;
      case 'RMD':
        await rmdir(files.resolve(argument));
        return '250 Removed';
      case 'DELE':
        await unlink(files.resolve(argument));
        return '250 Deleted';
      case 'TYPE':
        return /^(I|A( N)?|L 8)$/i.test(argument) ? '200 Bytes go as they are' : '504 No such type';
      case 'MODE':
        return /^S$/i.test(argument) ? '200 Stream' : '504 Stream mode only';
      case 'STRU':
        return /^F$/i.test(argument) ? '200 File' : '504 File structure only';
      case 'OPTS':
        return /^utf8( on)?$/i.test(argument) ? '200 Names are UTF-8' : '501 No such option';
      case 'SYST':
        return '215 UNIX Type: L8';
      case 'ABOR':
        return '226 Nothing to abort';
      case 'NOOP':
        return '200 Still here';
      default:
        return '502 No such command';
    }
  }

  async #listen(): Promise<number> {
    this.close();
    this.#passive = await PassivePort.open();
    return this.#passive.port;
  }

  async #list(name: string, long: boolean): Promise<string> {
    const listed = await this.#files.list(name, long);
    return this.#transfer((data) => pipeline(Readable.from(listed.map((line) => `${line}\r\n`)), data));
  }

  async #retrieve(name: string): Promise<string> {
    const start = this.#takeOffset();
    if (!(await this.#files.stat(name)).isFile()) return '550 Not a file';
    const file = this.#files.resolve(name);
    return this.#transfer((data) => pipeline(createReadStream(file, { start }), data));
  }

  async #store(name: string, append: boolean): Promise<string> {
    const start = this.#takeOffset();
    const file = await open(this.#files.resolve(name), append ? 'a' : start > 0 ? 'r+' : 'w');
    try {
      const target = append ? {} : { start };
      return await this.#transfer((data) => pipeline(data, file.createWriteStream(target)));
    } finally {
      await file.close();
    }
  }

  /** Runs one transfer over the data connection that PASV or EPSV announced. Returns the final reply. */
  async #transfer(carry: (data: Socket) => Promise<void>): Promise<string> {
    const passive = this.#passive;
    if (passive === null) return '425 Send EPSV or PASV first';
    try {
      const data = await passive.accept();
      this.#reply('150 Here it comes');
      await carry(data);
      return '226 Done';
    } catch (error) {
      return passive.connected ? `426 Broken off: ${fileErrorText(error)}` : '425 No data connection';
    } finally {
      this.close();
    }
  }

  #takeOffset(): number {
    const offset = this.#offset;
    this.#offset = 0;
    return offset;
  }
}

/** Quotes a path for 257: quotes in it are doubled (RFC 959 appendix II). */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
