import type { Prompter } from './options.ts';

/** A person at the controlling terminal (/dev/tty), whatever stdin is. */
export function terminalPrompter(): Prompter {
  throw new Error('to come');
}

/** The same prompter; `busy(true)` is called when a question opens and `busy(false)` when it is answered or given up. */
export function observePrompter(prompter: Prompter, busy: (open: boolean) => void): Prompter {
  return {
    get interactive() {
      return prompter.interactive;
    },
    async ask(question, options) {
      busy(true);
      try {
        return await prompter.ask(question, options);
      } finally {
        busy(false);
      }
    },
    tell: (text) => prompter.tell(text),
  };
}
