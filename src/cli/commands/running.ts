import { escapeControls, escapeJson } from '../../core/text/control-characters.ts';
import { askStatus, findRunning } from '../../status/client.ts';
import type { Status, StatusReport } from '../../status/schema.ts';
import { statusLines } from '../display/status-lines.ts';
import { terminalStyle } from '../display/terminal-style.ts';
import type { Environment } from '../environment.ts';

/** A running sshferry and the path of its status socket. */
export interface Running {
  readonly path: string;
  readonly status: Status;
}

/** Returns the output of `--json`, with its line end. */
export function reportLine(running: readonly Status[]): string {
  const report: StatusReport = { format: 1, running: [...running] };
  return `${escapeJson(JSON.stringify(report))}\n`;
}

/** Returns the output for people. */
export function reportText(statuses: readonly Status[], environment: Environment): string {
  const style = terminalStyle(environment.stdout, environment);
  return statuses.map((each) => `${statusLines(each, style).join('\n')}\n`).join('\n');
}

/**
 * Asks this user's sshferry processes for their status. Returns the answers, the oldest process
 * first, and how many processes did not answer, which it reports on standard error.
 */
export async function askRunning(environment: Environment): Promise<{ running: Running[]; silent: number }> {
  const paths = await findRunning(environment);
  const answers = await Promise.allSettled(
    paths.map(async (path): Promise<Running> => ({ path, status: await askStatus(path) })),
  );
  const running: Running[] = [];
  for (const answer of answers) {
    if (answer.status === 'fulfilled') running.push(answer.value);
    else
      environment.stderr.write(`sshferry: a running sshferry does not answer: ${messageOf(answer.reason)}\n`);
  }
  running.sort((a, b) => a.status.started.localeCompare(b.status.started));
  return { running, silent: answers.length - running.length };
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return escapeControls(text.split('\n', 1)[0] ?? '');
}
