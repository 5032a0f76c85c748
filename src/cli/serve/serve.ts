import type { RunRequest } from '../../app/run-request.ts';
import { Tunnel } from '../../app/tunnel.ts';
import { asGatewayError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import { unblocked } from '../display/unblocked.ts';
import type { Environment } from '../environment.ts';
import { type LogOutput, openLog, type ServeEnvironment } from './log-output.ts';
import { TunnelObserver } from './observer.ts';
import { notify } from './service.ts';
import { clientsOf, drainTime, stopOnCause } from './shutdown.ts';
import { ShutdownCauses } from './shutdown-causes.ts';

/**
 * Runs a tunnel until a person, a signal or a failure ends it. Returns the exit status. Rejects
 * only if the file of the log cannot be opened.
 */
export async function serve(request: RunRequest, given: Environment): Promise<number> {
  const environment = { ...given, stdout: unblocked(given.stdout), stderr: unblocked(given.stderr) };
  const output = openLog(request, environment);
  const { log } = output;
  for (const note of [...environment.facts, ...request.notes]) log.debug({ event: 'note' }, note);

  const reload = () => reloadAndLog(tunnel, log);
  const shutdown = new ShutdownCauses(environment.process, {
    SIGHUP: onHangup(request, environment, reload),
  });
  const label = (server: string) => tunnel.label(server);
  const stop = () => {
    const cause = { kind: 'signal', signal: 'SIGTERM' } as const;
    const stopping = {
      clients: clientsOf(tunnel),
      seconds: shutdown.begun ? 0 : drainTime(cause, tunnel) / 1000,
    };
    shutdown.add(cause);
    return stopping;
  };
  const observer = new TunnelObserver({ request, output, shutdown, label, reload, stop }, environment);
  const tunnel: Tunnel = new Tunnel(request, environment, gatewayDeps(environment, output), observer);

  // Ctrl-C at a prompt is a signal first; the failure of the prompt that follows no longer counts.
  begin(tunnel, shutdown, environment, output).catch((error) => shutdown.add({ kind: 'failed', error }));
  try {
    return await stopOnCause(shutdown, tunnel, output, environment);
  } finally {
    output.transfers?.close();
    await observer.close();
    shutdown.dispose();
  }
}

/** Returns what a gateway is made with. Questions at a login move the running transfers aside. */
function gatewayDeps({ plugins, connect, prompter, env }: ServeEnvironment, { log, transfers }: LogOutput) {
  const person = transfers?.beside(prompter()) ?? prompter();
  return {
    plugins,
    log,
    env,
    connect: (...[options, serverLog]: Parameters<typeof connect>) =>
      connect(options, serverLog, { prompter: person }),
  };
}

/**
 * Starts the tunnel and, when all forwards listen, notifies the service manager and releases a
 * borrowed terminal.
 */
async function begin(
  tunnel: Tunnel,
  shutdown: ShutdownCauses,
  { terminal, ...environment }: ServeEnvironment,
  { log, people }: LogOutput,
): Promise<void> {
  await tunnel.start();
  if (shutdown.begun) return;
  await notify(environment, 'ready', log);
  if (terminal === null || shutdown.begun) return;
  const { pid } = process;
  log.debug({ event: 'background', pid }, `process ${pid} goes to the background`);
  people?.write(`process ${pid} is in the background; sshferry stop ${pid} ends it\n`);
  await terminal.release();
}

/**
 * Returns the handler of SIGHUP. For a config file it means "read it again", as for other services,
 * unless the terminal has just gone. For a tunnel from arguments it means the end, as for ssh. The
 * handler returns false for the end.
 */
function onHangup(
  { source }: RunRequest,
  { prompter, terminal }: ServeEnvironment,
  reload: () => Promise<unknown>,
): () => boolean {
  // A borrowed terminal is given back on purpose.
  const attended = terminal === null && prompter().interactive;
  return () => {
    const terminalGone = attended && !prompter().interactive;
    if (source.kind === 'arguments' || terminalGone) return false;
    reload().catch(() => {});
    return true;
  };
}

/** Reloads the config file and logs the outcome. Rejects with what `Tunnel.reload` rejects with. */
async function reloadAndLog(tunnel: Tunnel, log: Logger): Promise<string[]> {
  try {
    const lines = await tunnel.reload();
    for (const line of lines) log.info({ event: 'reload' }, line);
    return lines;
  } catch (error) {
    const { code, message } = asGatewayError(error, 'CONFIG_INVALID', 'reload');
    log.error({ event: 'reload.failed', code }, `nothing was changed: ${message}`);
    throw error;
  }
}
