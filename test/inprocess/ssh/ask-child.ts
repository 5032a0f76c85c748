import { writeFileSync } from 'node:fs';
import { terminalPrompter } from '../../../src/core/ssh/prompt/prompter.ts';

/**
 * Asks twice on the terminal, hidden then shown, and leaves the answers in the file that it is
 * given.
 */
const [, , result = ''] = process.argv;
const prompter = terminalPrompter({});
let signals = 0;
process.on('SIGINT', () => {
  signals += 1;
});
const answers = Promise.all([
  prompter.ask('Hidden? ', { echo: false }),
  prompter.ask('Shown? ', { echo: true }),
]);
answers.then(
  (texts) => {
    writeFileSync(result, JSON.stringify(texts));
    prompter.tell('told\n');
  },
  // Given up: SIGINT has come before.
  (error: Error) => {
    writeFileSync(result, JSON.stringify(`${error.message} after ${signals} SIGINT`));
    process.exit(130);
  },
);
