import { matchesPatternList } from './patterns.ts';

/** Settings in the order in which they count: of a key that can stand once, the first. Keys in lower case. */
export type Settings = Array<[key: string, value: string]>;

/**
 * Reads the subset of ssh_config(5) that is used where OpenSSH's client is not installed: `Host` with `*`, `?` and `!`
 * patterns, `Key value`, `Key=value`, double quotes, comments. Include and Match are left out, with a note. No I/O.
 */
export function parseSshConfig(
  text: string,
  host: string,
  file: string,
): { settings: Settings; notes: string[] } {
  const settings: Settings = [];
  const notes: string[] = [];
  let applies = true;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const parsed = /^\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*?)\s*$/.exec(raw);
    if (!parsed?.[1] || parsed[2] === undefined) continue;
    const key = parsed[1].toLowerCase();
    const value = parsed[2];
    if (key === 'host') {
      applies = matchesPatternList(splitArguments(value).join(','), host.toLowerCase());
    } else if (key === 'match' || key === 'include') {
      if (key === 'match') applies = false;
      notes.push(
        `${file}:${index + 1}: ${parsed[1]} is left out: it takes OpenSSH's client, which is not installed`,
      );
    } else if (applies) {
      settings.push([key, value]);
    }
  }
  return { settings, notes };
}

/** Splits a value at blanks; double quotes hold an argument together. */
export function splitArguments(value: string): string[] {
  return [...value.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}
