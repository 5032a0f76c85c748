import { constants } from 'node:fs';
import { access, writeFile } from 'node:fs/promises';
import type net from 'node:net';
import path from 'node:path';
import { GatewayError } from '../../errors.ts';
import { askpassScript } from './helper-programs.ts';
import { listenAt } from './unix-listener.ts';

/** The longest question, in characters. */
const LONGEST = 64 * 1024;
/** OpenSSH 8.4 has SSH_ASKPASS_REQUIRE. Before, ssh asks only if it has an X display. */
const HAS_ASKPASS_REQUIRE = 8.4;

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

/** Answers the questions of one master. */
export interface Answerer {
  /**
   * Returns the answer, or null to refuse: ssh takes that for an empty answer, and may send it to
   * the server. Pending until the question's signal aborts if no answer must be sent. Must not
   * reject.
   */
  answer(question: AskpassQuestion): Promise<string | null>;
  /** A question cannot be answered. ssh waits until it is ended. */
  failed(error: GatewayError): void;
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
   * Listens in a private folder. Rejects with `SSH_UNSUPPORTED` if this version of ssh cannot ask
   * here, or programs in the folder cannot be run, else with `SSH_CONNECT`.
   */
  static async open(folder: string, version: number, answerer: Answerer): Promise<Askpass> {
    if (version < HAS_ASKPASS_REQUIRE) {
      throw new GatewayError('SSH_UNSUPPORTED', `OpenSSH ${version} cannot ask questions through sshferry`, {
        hint: `update it to ${HAS_ASKPASS_REQUIRE} or later, use a key in an agent, or set -o SshEngine=ssh2`,
      });
    }
    const socket = path.join(folder, 'p');
    const script = path.join(folder, 'askpass');
    await writeFile(script, askpassScript(socket), { mode: 0o700 }).catch((cause: Error) => {
      throw new GatewayError('SSH_CONNECT', `cannot write ${script}: ${cause.message}`, { cause });
    });
    try {
      await access(script, constants.X_OK);
    } catch (cause) {
      throw new GatewayError(
        'SSH_UNSUPPORTED',
        `ssh cannot ask questions: no program can be run in ${folder}`,
        {
          hint: 'set XDG_RUNTIME_DIR or TMPDIR to a folder that is not mounted with noexec',
          cause,
        },
      );
    }
    const peers = new Set<net.Socket>();
    const server = await listenAt(socket, 'SSH_CONNECT', (peer) => {
      peers.add(peer);
      peer.once('close', () => peers.delete(peer));
      serve(peer, answerer);
    });
    return new Askpass(server, peers, script);
  }

  /** Call it after ssh has ended, or has logged in: a question that is open gets no answer. */
  close(): void {
    this.#server.close();
    for (const peer of this.#peers) peer.destroy();
  }
}

function serve(peer: net.Socket, answerer: Answerer): void {
  const withdrawn = new AbortController();
  const fail = (cause: unknown) => {
    const why = 'a question of ssh cannot be read, or is too long';
    answerer.failed(new GatewayError('SSH_CONNECT', why, { cause }));
  };
  let heard = '';
  peer.once('close', () => withdrawn.abort(new GatewayError('ABANDONED', 'ssh has withdrawn the question')));
  // The program was ended: ssh does not wait for the answer any more.
  peer.once('end', () => peer.destroy());
  peer.setEncoding('utf8').on('data', (text: string) => {
    heard += text;
    const end = heard.indexOf('\n');
    const tooLong = (end < 0 ? heard.length : end) > LONGEST;
    if (end < 0 && !tooLong) return;
    peer.removeAllListeners('data').resume();
    if (tooLong) return fail(new Error(`longer than ${LONGEST} characters`));
    try {
      const { hint, question } = JSON.parse(heard.slice(0, end)) as { hint: string; question: string };
      const answered = answerer.answer({ hint, text: question, signal: withdrawn.signal });
      answered.then((line) => peer.end(JSON.stringify(line)), fail);
    } catch (cause) {
      fail(cause);
    }
  });
}
