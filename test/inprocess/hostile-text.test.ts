import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { KeyboardAuthContext } from 'ssh2';
import { afterAll, beforeAll, expect, it, type TestContext } from 'vitest';
import { describeWith } from '../support/openssh.ts';
import { newHostKey } from '../support/raw-ssh/host-key.ts';
import { exchangeKeys } from '../support/raw-ssh/key-exchange.ts';
import { disconnect as disconnectMessage } from '../support/raw-ssh/messages.ts';
import { startRawSshServer } from '../support/raw-ssh/server.ts';
import { letIn } from '../support/raw-ssh/steps.ts';
import { type SshServerOptions, startSshServer } from '../support/ssh-server.ts';
import { listenTcp } from '../support/tcp.ts';
import { onTerminal } from '../support/terminal.ts';

const CLI = path.join(import.meta.dirname, '../../dist/cli.js');
/**
 * A terminal's title, colour by C1, text direction both ways, no width, and a line of the
 * attacker's own.
 */
const HOSTILE = '\x1b]0;owned\x07\x9b31m\u202e\u2066\u200b\r\n12:00:00 FORGED\u2028x';
/** What sshferry itself writes on a dumb terminal is line ends; all else came from the server. */
const UNSAFE = /(?![\r\n\t])[\p{C}\p{Zl}\p{Zp}]/u;

describeWith(['script'], 'text of a hostile server, on a terminal', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-hostile-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  const env = () => ({ PATH: process.env.PATH, HOME: dir, LANG: 'C.UTF-8', TERM: 'dumb', NO_COLOR: '1' });
  const start = (test: TestContext, port: number, words: readonly string[]) =>
    onTerminal(
      test,
      [
        ...[process.execPath, CLI, ...words, '-F', 'none', '-p', `${port}`],
        ...['-o', 'StrictHostKeyChecking=accept-new', '-o', `UserKnownHostsFile=${dir}/known.${port}`],
        ...['-o', 'IdentityAgent=none', '-L', 'ftp/0:127.0.0.1:1', 'demo@127.0.0.1'],
      ],
      env(),
    );
  /** Runs it to its end and checks every byte that came to the terminal. */
  const ends = async (test: TestContext, port: number, words: readonly string[], said: RegExp) => {
    const terminal = start(test, port, words);
    expect(await terminal.ended).not.toBe(0);
    expect(terminal.screen).toMatch(said);
    expect(terminal.screen).not.toMatch(UNSAFE);
    // A further line of the server's may be indented, but not stand where sshferry's own do.
    expect(terminal.screen).not.toMatch(/^12:00:00 FORGED/m);
  };

  const sshServer = async (test: TestContext, options: SshServerOptions) => {
    const server = await startSshServer(options);
    test.onTestFinished(() => server.close());
    return server.port;
  };

  const ways = [[], ['-vv'], ['--log-format', 'json', '-vv'], ['check'], ['check', '--json', '-vv']];

  it.for(ways.map((words) => ({ words })))(
    'in the list of authentication methods: sshferry $words',
    async ({ words }, test) => {
      const port = await sshServer(test, {
        ident: 'x\x1b[31m',
        authenticate: (context) => context.reject([`evil${HOSTILE}`] as never),
      });
      await ends(test, port, words, /evil/);
    },
  );

  it.for(ways.map((words) => ({ words })))(
    'in a DISCONNECT before the key exchange: sshferry $words',
    async ({ words }, test) => {
      const { port } = await listenTcp(test, (socket: net.Socket) => {
        socket.on('error', () => {});
        socket.end(Buffer.concat([Buffer.from('SSH-2.0-evil\r\n'), disconnect(`evil${HOSTILE}`)]));
      });
      // Such a text is not shown at all: the server has proven nothing.
      await ends(test, port, words, /broke off the key exchange: protocol error/);
    },
  );

  it.for(ways.map((words) => ({ words })))(
    'in a DISCONNECT during the login: sshferry $words',
    async ({ words }, test) => {
      const hostKey = newHostKey();
      const { port } = await startRawSshServer(test, async (connection) => {
        await exchangeKeys(connection, { hostKey });
        await letIn(connection, () => [disconnectMessage(2, `evil${HOSTILE}`)]);
      });
      await ends(test, port, words, /./);
    },
  );

  it.for(ways.map((words) => ({ words })))(
    'in a first line that is no SSH identification: sshferry $words',
    async ({ words }, test) => {
      const { port } = await listenTcp(test, (socket: net.Socket) => {
        socket.on('error', () => {});
        socket.end(`evil${HOSTILE}\r\n`);
      });
      await ends(test, port, words, /evil/);
    },
  );

  it('in its banner and its questions', async (test) => {
    const asked: string[] = [];
    const port = await sshServer(test, {
      banner: `banner${HOSTILE}`,
      authenticate: (context) => {
        if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive']);
        (context as KeyboardAuthContext).prompt(
          [{ prompt: `question${HOSTILE}: `, echo: true }],
          `title${HOSTILE}`,
          `words${HOSTILE}`,
          (answers) => {
            asked.push(...(answers ?? []));
            context.reject(['none' as never]);
          },
        );
      },
    });
    const terminal = start(test, port, []);
    await terminal.shows(/question/);
    terminal.press('answer\r');
    expect(await terminal.ended).toBe(255);
    expect(asked).toEqual(['answer']);
    for (const word of ['banner', 'title', 'words', 'question']) expect(terminal.screen).toContain(word);
    expect(terminal.screen).not.toMatch(UNSAFE);
  });

  it("control characters in the user's own config file", async (test) => {
    const file = path.join(dir, 'sshferry.yaml');
    await writeFile(file, `servers: { "a\\e[2J": { host: h } }\nforwards: { "b\\x9b1m": { to: "x:1" } }\n`);
    const terminal = onTerminal(test, [process.execPath, CLI, 'check', '-c', file], env());
    expect(await terminal.ended).toBe(2);
    expect(terminal.screen).toContain('sshferry.yaml:');
    expect(terminal.screen).not.toMatch(UNSAFE);
    expect(await readFile(file, 'utf8')).toContain('\\e[2J');
  });
});

/** SSH_MSG_DISCONNECT (RFC 4253 11.1) as a packet in the clear. */
function disconnect(text: string): Buffer {
  const words = Buffer.from(text);
  const payload = Buffer.concat([Buffer.from([1]), uint32(2), uint32(words.length), words, uint32(0)]);
  const padding = 8 - ((payload.length + 5) % 8) + 8;
  return Buffer.concat([
    uint32(payload.length + padding + 1),
    Buffer.from([padding]),
    payload,
    Buffer.alloc(padding),
  ]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
