import { constants } from 'node:fs';
import { access, writeFile } from 'node:fs/promises';
import type net from 'node:net';
import path from 'node:path';
import { GatewayError } from '../../errors.ts';
import { askpassScript } from './helper-programs.ts';
import { listenAt } from './unix-listener.ts';

/** The longest question, in characters. */
const LONGEST = 64 * 1024;

/** A question of ssh. */
export interface AskpassQuestion {
  /**
   * `none`: text to show until ssh withdraws it, such as a request to touch a key; `confirm`: a
   * permission; otherwise a question with a line as its answer (SSH_ASKPASS_PROMPT of ssh(1)).
   */
  readonly hint: string;
  readonly text: string;
  /** Aborts when ssh withdraws the question. */
  readonly signal: AbortSignal;
}

/**
 * Receives the questions of one master, by a program that ssh runs as its SSH_ASKPASS. No answer is
 * written to a file.
 */
export class Askpass {
  /** The environment with which ssh asks here. */
  readonly env: Readonly<Record<string, string>>;
  readonly #server: net.Server;
  readonly #peers: ReadonlySet<net.Socket>;

  private constructor(server: net.Server, peers: ReadonlySet<net.Socket>, script: string) {
    this.#server = server;
    this.#peers = peers;
    this.env = { SSH_ASKPASS: script, SSH_ASKPASS_REQUIRE: 'force' };
  }

  /**
   * Listens in a private folder. `answer` returns the answer, or null for none; it must not reject.
   * Rejects with `SSH_CONNECT`, also if programs in the folder cannot be run.
   */
  static async open(
    folder: string,
    answer: (question: AskpassQuestion) => Promise<string | null>,
  ): Promise<Askpass> {
    const socket = path.join(folder, 'p');
    const script = path.join(folder, 'askpass');
    await writeFile(script, askpassScript(socket), { mode: 0o700 });
    try {
      await access(script, constants.X_OK);
    } catch (cause) {
      throw new GatewayError('SSH_CONNECT', `ssh cannot ask questions: no program can be run in ${folder}`, {
        hint: 'set XDG_RUNTIME_DIR or TMPDIR to a folder that is not mounted with noexec',
        cause,
      });
    }
    const peers = new Set<net.Socket>();
    const server = await listenAt(socket, (peer) => {
      peers.add(peer);
      peer.once('close', () => peers.delete(peer));
      serve(peer, answer);
    });
    return new Askpass(server, peers, script);
  }

  close(): void {
    this.#server.close();
    for (const peer of this.#peers) peer.destroy();
  }
}

function serve(peer: net.Socket, answer: (question: AskpassQuestion) => Promise<string | null>): void {
  const withdrawn = new AbortController();
  let heard = '';
  peer.once('close', () => withdrawn.abort(new GatewayError('ABANDONED', 'ssh has withdrawn the question')));
  // The program was ended: ssh does not wait for the answer any more.
  peer.once('end', () => peer.destroy());
  peer.setEncoding('utf8').on('data', (text: string) => {
    heard += text;
    const end = heard.indexOf('\n');
    if (heard.length > LONGEST) peer.destroy();
    if (end < 0) return;
    peer.removeAllListeners('data').resume();
    const { hint, question } = JSON.parse(heard.slice(0, end)) as { hint: string; question: string };
    answer({ hint, text: question, signal: withdrawn.signal }).then(
      (line) => (line === null ? peer.destroy() : peer.end(JSON.stringify(line))),
      () => peer.destroy(),
    );
  });
}
