import type { Import, Imported } from './imported.ts';
import { readPuttySession } from './putty.ts';
import { decodePercent, readIni, type Values } from './settings-text.ts';

const SESSIONS = /\\PuTTY\\Sessions\\([^\\]+)$/i;

/** Whether the text is an export of the registry with sessions of PuTTY. */
export function isPuttyRegistry(text: string): boolean {
  return /^(Windows Registry Editor|REGEDIT4)/.test(text) && /\\PuTTY\\Sessions/i.test(text);
}

/** Reads sessions from an export of HKEY_CURRENT_USER\Software\SimonTatham\PuTTY. */
export function readPuttyRegistry(text: string): Import {
  const found: [string, Imported | null][] = [];
  for (const [section, values] of readIni(text)) {
    const [, name] = SESSIONS.exec(section) ?? [];
    // A section with a minus sign is one to be deleted.
    if (name === undefined || section.startsWith('-')) continue;
    const title = decodePercent(name);
    found.push([title, readPuttySession(title, registryValues(values))]);
  }
  return sortOut(found);
}

/** Whether the text is a file of `~/.putty/sessions`. */
export function isPuttySession(text: string): boolean {
  return /^HostName=/m.test(text) && /^PortForwardings=/m.test(text) && !/^\s*\[/m.test(text);
}

/** Reads a file of `~/.putty/sessions`, whose own name is that of the session. */
export function readPuttyFile(file: string, text: string): Import {
  const values = readIni(text).get('') ?? new Map<string, string>();
  const title = decodePercent(file);
  return sortOut([[title, readPuttySession(title, values)]]);
}

/** Unquotes `"Name"="text"` and `"Name"=dword:00000016`. */
function registryValues(values: Values): Values {
  const plain = new Map<string, string>();
  for (const [key, value] of values) {
    const name = key.replace(/^"(.*)"$/, '$1');
    const [, text] = /^"(.*)"$/.exec(value) ?? [];
    const [, number] = /^dword:([0-9a-f]+)$/i.exec(value) ?? [];
    if (text !== undefined) plain.set(name, text.replace(/\\(["\\])/g, '$1'));
    else if (number !== undefined) plain.set(name, String(Number.parseInt(number, 16)));
  }
  return plain;
}

function sortOut(found: readonly (readonly [string, Imported | null])[]): Import {
  return {
    sessions: found.map(([, session]) => session).filter((session) => session !== null),
    skipped: found
      .filter(([, session]) => session === null)
      .map(([name]) => `${name}: it is not an SSH session`),
  };
}
