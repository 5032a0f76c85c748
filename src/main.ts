import { readFileSync } from 'node:fs';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';
import { PLUGINS } from './app/plugins.ts';
import { borrowedTerminal } from './cli/background/borrowed.ts';
import { startInBackground } from './cli/background/start.ts';
import { run } from './cli/commands/run.ts';
import { collectWhenIdle } from './cli/serve/heap.ts';
import { notifyService } from './cli/serve/service.ts';
import { localTransport } from './core/local/local-transport.ts';
import { resolveSshOptions } from './core/ssh/config/ssh-config.ts';
import { terminalPrompter } from './core/ssh/prompt/prompter.ts';
import { flushTerminals } from './core/ssh/prompt/terminal-writer.ts';
import { nativeCrypto } from './core/ssh/ssh2/native-crypto.ts';
import { sshTransport } from './core/ssh/transport.ts';
import { within } from './core/within.ts';
import { StatusServer } from './status/server.ts';

/** How long to wait for a reader to accept the last output, in milliseconds. */
const FLUSH = 1000;

/**
 * Runs the command line of this process, and ends the process. Its imports must not have a
 * top-level `await`: see cli.ts.
 */
export async function main(): Promise<never> {
  // The reader of the output may close it early, as with `| head`. That ends nothing.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

  collectWhenIdle();
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));

  const { version }: { version: string } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  );

  const borrowed = borrowedTerminal(process, () => process.emit('SIGTERM', 'SIGTERM'));
  const prompter = () => borrowed?.prompter ?? terminalPrompter();
  const { stdout, stderr } = borrowed ?? process;
  const status = await run(process.argv.slice(2), {
    version,
    stdout,
    stderr,
    stdin: process.stdin,
    env: process.env,
    script: process.argv[1] ?? '',
    cwd: process.cwd(),
    platform: process.platform,
    process,
    plugins: PLUGINS,
    prompter,
    local: localTransport,
    connect: (options, log, { prompter: person = prompter(), progress } = {}) =>
      sshTransport(options, person, log, progress),
    startInBackground: () =>
      startInBackground({
        argv: process.argv.slice(1),
        env: process.env,
        stdout,
        stderr,
        prompter: prompter(),
        process,
      }),
    terminal: borrowed,
    serveStatus: (source) => StatusServer.open(process.pid, process, source),
    resolve: resolveSshOptions,
    notify: (state) => notifyService(state, process.env),
    schemaFile: fileURLToPath(new URL('../schema/sshferry.schema.json', import.meta.url)),
    facts: [
      `sshferry ${version}, Node.js ${process.version}`,
      nativeCrypto()
        ? 'ssh2 has its native addon'
        : 'ssh2 has no native addon: encryption takes twice the CPU time',
    ],
  });
  if (borrowed) await within(FLUSH, borrowed.flushed());
  // At its exit, Node aborts with a core file if it cannot restore a terminal that is gone
  // (ResetStdio in its node.cc).
  if (terminals.some((fd) => !isatty(fd))) {
    process.removeAllListeners('SIGHUP');
    process.kill(process.pid, 'SIGHUP');
  }
  // process.exit would drop what a pipe has not accepted yet.
  if (process.stdout.writableLength > 0) await new Promise((resolve) => process.stdout.write('', resolve));
  if (process.stderr.writableLength > 0)
    await within(FLUSH, new Promise((resolve) => process.stderr.write('', resolve)));
  await flushTerminals(FLUSH);
  process.exit(status);
}
