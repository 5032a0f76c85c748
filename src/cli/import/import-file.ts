import { homedir } from 'node:os';
import path from 'node:path';
import { absolutePath } from '../../core/absolute-path.ts';
import { readChecked } from '../../core/checked-file.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Environment } from '../environment.ts';
import type { Import } from './imported.ts';
import { isPuttyRegistry, isPuttySession, readPuttyFile, readPuttyRegistry } from './putty-files.ts';
import { decodeSettings } from './settings-text.ts';
import { isSshCommands, readSshCommands } from './ssh-commands.ts';
import { isSshConfig, readSshConfigHosts } from './ssh-config-hosts.ts';
import { isTeraTerm, readTeraTerm } from './tera-term.ts';
import { isWinScp, readWinScp } from './winscp.ts';

/** The largest settings file, in bytes. The registry's export of many sessions has a few MB. */
const LARGEST = 16 * 1024 * 1024;

/**
 * Reads the tunnels of another program's settings. Recognizes the program by the file's contents.
 * `destination` is the SSH server of settings that do not name one, or null. Rejects with
 * `CONFIG_INVALID`.
 */
export async function importFile(
  file: string,
  destination: string | null,
  { cwd, env, resolve }: Pick<Environment, 'cwd' | 'env' | 'resolve'>,
): Promise<Import> {
  const full = absolutePath(file, cwd);
  const { bytes } = await readChecked(full, { limit: LARGEST }).catch((error: Error) => {
    throw new GatewayError('CONFIG_INVALID', `cannot read ${file}: ${error.message}`, { cause: error });
  });
  const text = decodeSettings(bytes);
  if (isTeraTerm(text)) return readTeraTerm(text, destination);
  if (destination !== null) throw notKnown(file, `its settings name their SSH servers; omit ${destination}`);
  if (isPuttyRegistry(text)) return readPuttyRegistry(text);
  if (isWinScp(text)) return readWinScp(text);
  if (isPuttySession(text)) return readPuttyFile(path.basename(full), text);
  if (isSshConfig(text)) {
    const isUsual = full === path.join(homedir(), '.ssh', 'config');
    return readSshConfigHosts(text, full, isUsual ? null : full, resolve, env);
  }
  if (isSshCommands(text)) return readSshCommands(text);
  throw notKnown(file, 'no forwards found in a known format');
}

function notKnown(file: string, why: string): GatewayError {
  return new GatewayError('CONFIG_INVALID', `${file}: ${why}`, {
    hint: 'init --from reads PuTTY (.reg, ~/.putty/sessions/NAME), TERATERM.INI, WinSCP.ini, ssh_config, and lines that run ssh',
  });
}
