import type { GatewayEmitter } from '../../core/events.ts';
import type { Prompter } from '../../core/ssh/options.ts';
import type { Ledger } from '../../status/ledger.ts';
import type { Environment } from '../environment.ts';
import { LiveLines, promptAside } from './live-lines.ts';
import { isLive, terminalStyle } from './terminal-style.ts';
import { fitted } from './text.ts';
import { transferLines } from './transfer-lines.ts';
import type { UnblockedOutput } from './unblocked.ts';

/** A transfer that ends sooner is only logged, in milliseconds. */
const SETTLED = 500;

/** The running transfers, shown below the log on standard error. */
export interface TransfersBelow {
  /** Where the log has to be written. */
  readonly lines: UnblockedOutput;
  /** Shows the transfers of this ledger from now on. */
  follow(events: GatewayEmitter, ledger: Ledger): void;
  /** Wraps a prompter so that it has the terminal to itself while it asks. */
  beside(prompter: Prompter): Prompter;
  close(): void;
}

/** Returns null if standard error is not a terminal on which lines can be redrawn. */
export function transfersBelow(
  environment: Environment & { readonly stderr: UnblockedOutput },
): TransfersBelow | null {
  if (!isLive(environment.stderr, environment.env)) return null;
  let ledger: Ledger | null = null;
  const render = (): string[] | null => {
    const now = Date.now();
    const transfers = ledger?.transfers(now) ?? [];
    if (transfers.length === 0) return null;
    const style = terminalStyle(environment.stderr, environment);
    const settled = transfers.filter(({ started }) => Date.parse(started) <= now - SETTLED);
    const shown = settled.length > lines.room ? settled.slice(0, lines.room - 1) : settled;
    const rest = settled.length - shown.length;
    const more = rest > 0 ? [fitted(`and ${rest} more`, style.width, style)] : [];
    return [...transferLines(shown, style), ...more];
  };
  const lines = new LiveLines(environment.stderr, render);
  const onContinue = () => lines.forget();
  environment.process.on('SIGCONT', onContinue);
  return {
    lines,
    follow(events, followed) {
      ledger = followed;
      events.on('transfer.start', () => lines.wake());
    },
    beside: (prompter) => promptAside(prompter, lines),
    close() {
      environment.process.off('SIGCONT', onContinue);
      lines.close();
    },
  };
}
