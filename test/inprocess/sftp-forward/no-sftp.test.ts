import { describe, expect, it, onTestFinished } from 'vitest';
import { CLI } from '../../support/cli.ts';
import { describeWith, run } from '../../support/openssh.ts';
import { RawClient } from '../../support/raw-client.ts';
import { sshdWithSftp } from '../../support/sftp-forward.ts';
import { SFTP_SERVER } from '../../support/sftp-server.ts';
import { SSHD } from '../../support/sshd.ts';

const TEST = { onTestFinished };

// With the shell of the account, whose start-up files may print text.
const TALKING = `echo Welcome to this host; exec ${SFTP_SERVER}`;

describeWith([SSHD, SFTP_SERVER, 'ssh-keygen'], 'a server whose subsystem sftp speaks no SFTP', () => {
  describe.each([
    [
      'is no program',
      '/nonexistent',
      'the SFTP subsystem ended before it answered: see Subsystem in the sshd_config',
    ],
    ['prints text first', TALKING, 'the server sent "Welcome to this host" in place of SFTP'],
  ])('it %s', (_, subsystem, words) => {
    const { serve, login, env } = sshdWithSftp([], subsystem);

    it('is named to the client', async () => {
      const { port } = await serve();
      const client = await RawClient.connect(TEST, { host: '127.0.0.1', port });
      expect(await client.reply()).toContain(words);
    });

    it('is named by check', async () => {
      const check = [...CLI, 'check', '-L', '0:sftp:/tmp', ...login()];
      const said = await run('sh', ['-c', '"$@"; echo "status $?"', 'sh', ...check], env());
      expect(said).toMatch(/✓ target .* accepts the subsystem sftp/);
      expect(said.replace(/\s+/g, ' ')).toContain(words);
      expect(said).toMatch(/status [1-9]/);
    });
  });
});
