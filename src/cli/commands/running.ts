import { escapeControls, escapeJson } from '../../core/text/control-characters.ts';
import { askStatus, findRunning } from '../../status/client.ts';
import type { Status, StatusReport } from '../../status/schema.ts';
import { statusLines } from '../display/status-lines.ts';
import { terminalStyle } from '../display/terminal-style.ts';
import type { Environment } from '../environment.ts';

/** A running sshferry, and where to ask it. */
export interface Running {
  readonly path: string;
  readonly status: Status;
}

/** What `--json` prints, with its line end. */
export function reportLine(running: readonly Status[]): string {
  const report: StatusReport = { format: 1, running: [...running] };
  return `${escapeJson(JSON.stringify(report))}\n`;
}

/** For people, and for what is no terminal. */
export function reportText(statuses: readonly Status[], environment: Environment): string {
  const style = terminalStyle(environment.stdout, environment);
  return statuses.map((each) => `${statusLines(each, style).join('\n')}\n`).join('\n');
}

/** Asks this user's running sshferrys: those that answer, the oldest first, and how many do not, which standard error explains. */
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
