import { selectFacts } from './facts.ts';
import type { CommandEntries, Handler } from './handler.ts';
import { NameCodec } from './names.ts';
import { type Reply, reply } from './replies.ts';
import { type ServerSession, WHOLE } from './session.ts';

/** The number in REST, RANG and ALLO: one that a double holds exactly. */
const OCTETS = /^\d{1,15}$/;

/** Sets the type; A may have a form, and L has a byte size (RFC 959 3.1.1). */
const type: Handler = ({ settings }, argument) => {
  const [name, second, ...more] = argument.trim().toUpperCase().split(/\s+/);
  if (more.length > 0) return reply(501, 'TYPE takes one or two words');
  if (name === 'A' && (second === undefined || second === 'N')) {
    settings.type = 'ascii';
    return reply(200, 'Type is ASCII');
  }
  if ((name === 'I' && second === undefined) || (name === 'L' && second === '8')) {
    settings.type = 'image';
    return reply(200, 'Type is image');
  }
  return 'AEIL'.includes(name ?? '-')
    ? reply(504, 'Only A, I and L 8 are supported')
    : reply(501, 'Unknown type');
};

const mode: Handler = (_, argument) => oneOf(argument, 'S', 'BCZ', 'Only stream mode is supported');
const structure: Handler = (_, argument) => oneOf(argument, 'F', 'RP', 'Only file structure is supported');

function oneOf(argument: string, supported: string, known: string, words: string): Reply {
  const letter = argument.trim().toUpperCase();
  if (letter === supported) return reply(200, 'OK');
  return letter.length === 1 && known.includes(letter) ? reply(504, words) : reply(501, words);
}

/** Sets the position (RFC 3659 5). In ASCII it would count converted line ends. */
const rest: Handler = (session, argument) => {
  const digits = argument.trim();
  if (!OCTETS.test(digits)) return reply(501, 'REST takes a number of bytes');
  const start = Number(digits);
  if (start > 0 && session.conversion('download') !== 'none') return reply(501, 'REST works in TYPE I');
  session.settings.range = { start, end: null };
  return reply(350, `Next transfer starts at ${start}`);
};

/** Sets the first and the last byte; `1 0` resets them (draft-bryan-ftp-range). */
const rang: Handler = (session, argument) => {
  const [first = '', last = '', ...more] = argument.trim().split(/\s+/);
  if (!OCTETS.test(first) || !OCTETS.test(last) || more.length > 0)
    return reply(501, 'RANG takes two positions');
  const [start, end] = [Number(first), Number(last)];
  if (start === 1 && end === 0) {
    session.settings.range = WHOLE;
    return reply(350, 'Range is reset');
  }
  if (start > end) return reply(501, 'The range ends before it begins');
  if (session.conversion('download') !== 'none') return reply(501, 'RANG works in TYPE I');
  session.settings.range = { start, end: end + 1 };
  return reply(350, `Restarting at ${start}. End byte range at ${end}`);
};

/** Keeps a size as a hint for the store (RFC 959 4.1.3). `R` and a record size may follow. */
const allo: Handler = ({ settings }, argument) => {
  const [, size] = /^(\d{1,15})(?:\s+R\s+\d{1,15})?$/i.exec(argument.trim()) ?? [];
  if (size === undefined) return reply(501, 'ALLO takes a number of bytes');
  settings.allocated = Number(size);
  return reply(200, 'Noted');
};

/** Sets an option (RFC 2389 4). */
const opts: Handler = (session, argument) => {
  const [, name = '', value = ''] = /^(\S+)\s*(.*?)\s*$/.exec(argument.trim()) ?? [];
  const option = OPTIONS.get(name.toUpperCase());
  return option === undefined ? reply(501, 'Unknown option') : option(session, value);
};

const OPTIONS: ReadonlyMap<string, (session: ServerSession, value: string) => Reply> = new Map([
  ['UTF8', utf8],
  // Some clients write the name of the character set.
  ['UTF-8', utf8],
  ['MLST', mlst],
  ['HASH', hash],
]);

function utf8({ settings, policy }: ServerSession, value: string): Reply {
  const wanted = value.toUpperCase();
  if (wanted !== '' && wanted !== 'ON' && wanted !== 'OFF') return reply(501, 'ON or OFF');
  if (wanted === 'OFF' && policy.charset === null) return reply(504, 'File names are always UTF-8');
  settings.charset = wanted === 'OFF' ? policy.charset : null;
  settings.names = new NameCodec(settings.charset);
  return reply(200, `File names are ${settings.charset ?? 'UTF-8'}`);
}

function mlst({ settings }: ServerSession, value: string): Reply {
  settings.facts = selectFacts(value);
  // RFC 3659 7.9: the reply repeats the selected facts.
  return reply(200, `MLST OPTS ${settings.facts.map((fact) => `${fact};`).join('')}`.trim());
}

function hash({ settings, policy }: ServerSession, value: string): Reply {
  const chosen = policy.hashes.find((algorithm) => algorithm === value.toUpperCase());
  if (value !== '' && chosen === undefined) return reply(504, 'Unknown algorithm');
  settings.hash = chosen ?? settings.hash;
  return settings.hash === null ? reply(501, 'Unknown option') : reply(200, settings.hash);
}

export const settingCommands: CommandEntries = {
  TYPE: { run: type, usage: 'A | I | L 8', needsArgument: true },
  MODE: { run: mode, usage: 'S', needsArgument: true },
  STRU: { run: structure, usage: 'F', needsArgument: true },
  REST: { run: rest, usage: '<position>', needsArgument: true },
  RANG: { run: rang, usage: '<first> <last>', needsArgument: true },
  ALLO: { run: allo, usage: '<bytes>', needsArgument: true },
  OPTS: { run: opts, usage: '<option> [value]', needsArgument: true, beforeLogin: true },
};
