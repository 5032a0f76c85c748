import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { GatewayError } from '../../errors.ts';
import { privateFolderFault } from '../../private-folder.ts';

/**
 * The longest path of a control socket, in bytes. sockaddr_un has 104 or 108, and ssh first binds a
 * name that is 17 longer.
 */
const LONGEST = 84;
/** The names in the folder, the longest with the numbers of forwards. */
const NAME = '/sshferry-XXXXXX/r-999999';

/**
 * Makes a folder that only this user can open, for one master's sockets. The caller removes it.
 * Rejects with `SSH_CONNECT`.
 */
export async function makePrivateFolder(env: NodeJS.ProcessEnv): Promise<string> {
  const bases = [env.XDG_RUNTIME_DIR, os.tmpdir(), '/tmp'].filter(
    (base): base is string => !!base && Buffer.byteLength(base) + NAME.length <= LONGEST,
  );
  let cause: unknown;
  for (const base of new Set(bases)) {
    try {
      const folder = await mkdtemp(path.join(base, 'sshferry-'));
      if ((await privateFolderFault(folder)) === null) return folder;
      await rm(folder, { recursive: true, force: true });
    } catch (error) {
      cause = error;
    }
  }
  throw new GatewayError('SSH_CONNECT', 'no private folder for the sockets of ssh can be made', {
    hint: 'set XDG_RUNTIME_DIR or TMPDIR to a folder with a short name',
    cause,
  });
}
