import { directoryCommands } from './directories.ts';
import { fileCommands } from './files.ts';
import type { CommandEntries, CommandEntry } from './handler.ts';
import { helpCommands } from './help.ts';
import { listCommands } from './lists.ts';
import { loginCommands } from './login.ts';
import { portCommands } from './ports.ts';
import { settingCommands } from './settings.ts';
import { siteCommands } from './site.ts';
import { transferCommands } from './transfers.ts';

/** RFC 775: older names of the same commands. */
const ALIASES: Readonly<Record<string, string>> = {
  XCWD: 'CWD',
  XCUP: 'CDUP',
  XPWD: 'PWD',
  XMKD: 'MKD',
  XRMD: 'RMD',
};

/** Standard commands that are not supported: 502 instead of 500 (RFC 959 4.2.2). */
const NOT_IMPLEMENTED: ReadonlySet<string> = new Set([
  'SMNT',
  // RFC 1639, RFC 2640.
  ...['LPRT', 'LPSV', 'LANG'],
  // RFC 2228 and 4217. After these the client would speak TLS.
  ...['AUTH', 'ADAT', 'PBSZ', 'PROT', 'CCC', 'MIC', 'CONF', 'ENC'],
]);

const ALL: CommandEntries = {
  ...loginCommands,
  ...settingCommands,
  ...directoryCommands,
  ...fileCommands,
  ...listCommands,
  ...transferCommands,
  ...portCommands,
  ...siteCommands,
  ...helpCommands(() => ALL),
};
const COMMANDS: ReadonlyMap<string, CommandEntry> = new Map(Object.entries(ALL));

/** Returns the command of a verb in upper case; the code of the reply if there is none. */
export function commandEntry(verb: string): CommandEntry | 500 | 502 {
  return COMMANDS.get(ALIASES[verb] ?? verb) ?? (NOT_IMPLEMENTED.has(verb) ? 502 : 500);
}
