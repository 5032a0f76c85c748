/**
 * Decodes a settings file of Windows or Unix: UTF-16 or UTF-8 by its byte order mark, otherwise
 * UTF-8, or latin1 if it is not valid UTF-8.
 */
export function decodeSettings(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}

/** The values of one section, by their keys as written. */
export type Values = ReadonlyMap<string, string>;

/**
 * Reads `[section]` and `key=value` lines, as the INI files of Windows have them. Lines before the
 * first section belong to the section with the empty name.
 */
export function readIni(text: string): Map<string, Values> {
  let current = new Map<string, string>();
  const sections = new Map([['', current]]);
  for (const line of text.split(/\r?\n/)) {
    const [, name] = /^\s*\[(.*)\]\s*$/.exec(line) ?? [];
    if (name !== undefined) {
      current = sections.get(name) ?? new Map();
      sections.set(name, current);
      continue;
    }
    const [, key, value = ''] = /^\s*([^;#=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && !current.has(key)) current.set(key, value);
  }
  return sections;
}

/** Decodes `%20`. A `%` that begins no code stays as it is. */
export function decodePercent(text: string): string {
  const bytes = text.replace(/%([0-9A-Fa-f]{2})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
  return decodeSettings(Buffer.from(bytes, /[^\0-\xff]/.test(bytes) ? 'utf8' : 'latin1'));
}
