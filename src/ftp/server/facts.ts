import { type Access, permits } from './access.ts';
import type { FileFacts } from './store.ts';
import { formatTime } from './time.ts';

/** The facts of MLST and MLSD (RFC 3659 7.5), in the order in which they are listed. */
export const FACT_NAMES = [
  'type',
  'size',
  'modify',
  'perm',
  'unique',
  'UNIX.mode',
  'UNIX.owner',
  'UNIX.group',
] as const;

export type FactName = (typeof FACT_NAMES)[number];

/**
 * Returns the facts that `OPTS MLST` names, in any case of letters; unknown ones are ignored (RFC
 * 3659 7.9).
 */
export function selectFacts(argument: string): FactName[] {
  const wanted = new Set(argument.toLowerCase().split(';'));
  return FACT_NAMES.filter((name) => wanted.has(name.toLowerCase()));
}

/** Returns the line of MLST in FEAT: all facts, the selected ones with a star. */
export function factsFeature(selected: readonly FactName[]): string {
  return `MLST ${FACT_NAMES.map((name) => `${name}${selected.includes(name) ? '*' : ''};`).join('')}`;
}

/** Returns the facts of a file, each ended by ";", without those that are unknown. */
export function factsOf(
  facts: FileFacts,
  selected: readonly FactName[],
  access: Access,
  own: boolean,
): string {
  return selected
    .map((name) => {
      const value = factValue(name, facts, access, own);
      return value === null ? '' : `${name}=${value};`;
    })
    .join('');
}

function factValue(name: FactName, facts: FileFacts, access: Access, own: boolean): string | null {
  switch (name) {
    case 'type':
      return TYPES[facts.type];
    case 'size':
      return facts.type === 'file' ? `${facts.size}` : null;
    case 'modify':
      return facts.modified === null ? null : formatTime(facts.modified);
    case 'perm':
      return permissions(facts.type, access, own);
    case 'unique':
      return word(facts.unique);
    case 'UNIX.mode':
      return facts.mode === null ? null : `0${facts.mode.toString(8).padStart(3, '0')}`;
    case 'UNIX.owner':
      return word(facts.owner);
    case 'UNIX.group':
      return word(facts.group);
  }
}

const TYPES: Readonly<Record<FileFacts['type'], string>> = {
  file: 'file',
  directory: 'dir',
  link: 'OS.unix=symlink',
  other: 'OS.unix=special',
};

/** Returns what the access of the account permits (RFC 3659 7.5.5). The store may permit less. */
function permissions(type: FileFacts['type'], access: Access, own: boolean): string {
  const may = (letters: string, operation: Parameters<typeof permits>[1]) =>
    permits(access, operation, own) ? letters : '';
  if (type === 'directory') {
    const enter = access === 'upload-only' ? 'e' : 'el';
    return `${may('c', 'create')}${may('d', 'remove')}${enter}${may('f', 'rename')}${may('m', 'create')}${may('p', 'remove')}`;
  }
  return `${may('a', 'overwrite')}${may('d', 'remove')}${may('f', 'rename')}${may('r', 'read')}${may('w', 'overwrite')}`;
}

/** Returns a value without the characters that separate facts. */
function word(text: string | null): string | null {
  return text === null ? null : text.replace(/[^\x21-\x3a\x3c-\x7e]/g, '_');
}
