import { writeFileSync } from 'node:fs';
import { terminalPrompter } from '../../../src/core/ssh/prompter.ts';

/** Asks twice on the terminal, hidden then shown, and leaves the answers in the file that it is given. */
const [, , result = ''] = process.argv;
const prompter = terminalPrompter({});
process.on('SIGINT', () => {
  writeFileSync(result, JSON.stringify('interrupted'));
  process.exit(130);
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
  // Given up: SIGINT has come.
  () => {},
);
