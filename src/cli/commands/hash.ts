import { Command } from 'commander';
import { hashPassword } from '../../ftp/server/io/password.ts';
import { EXIT } from '../serve/failure.ts';
import type { Subcommand } from './subcommand.ts';

/** `sshferry hash`: asks for a password and writes its hash, for the users of a folder. */
export const hash: Subcommand = {
  name: 'hash',
  define: () =>
    new Command('hash')
      .description('ask for a password and write its hash, for users in the config file')
      .addHelpText('after', '\nExit status: 0 written, 2 no terminal to ask on, or two different passwords.'),
  run: async (_command, environment) => {
    const prompter = environment.prompter();
    const fail = (words: string) => {
      environment.stderr.write(`sshferry: ${words}\n`);
      return EXIT.usage;
    };
    if (!prompter.interactive) return fail('hash: no terminal to ask for the password on');
    const password = await prompter.ask('Password: ', { echo: false });
    if (password === '') return fail('hash: the password is empty');
    if ((await prompter.ask('Again: ', { echo: false })) !== password)
      return fail('hash: the passwords differ');
    environment.stdout.write(`${await hashPassword(Buffer.from(password))}\n`);
    return EXIT.stopped;
  },
};
