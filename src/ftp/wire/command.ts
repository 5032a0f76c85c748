import { escapeControls } from '../../core/text/control-characters.ts';

/** One command line of a client, as far as sshferry needs to understand it. */
export interface Command {
  /** In upper case; empty if the line has none. */
  readonly verb: string;
  /**
   * Latin-1, so that each character is one byte of the line; without the line end and surrounding
   * spaces.
   */
  readonly argument: string;
  /** The whole line as it came, to be sent on. */
  readonly bytes: Uint8Array;
}

/** Which way the data of a transfer command flows. */
export type Direction = 'download' | 'upload';

const TRANSFERS: ReadonlyMap<string, Direction> = new Map<string, Direction>([
  ['RETR', 'download'],
  ['LIST', 'download'],
  ['NLST', 'download'],
  ['MLSD', 'download'],
  ['STOR', 'upload'],
  ['STOU', 'upload'],
  ['APPE', 'upload'],
]);

/**
 * The direction of a verb that uses a data connection (RFC 959 4.1.3, RFC 3659 7); undefined for
 * other verbs.
 */
export function transferDirection(verb: string): Direction | undefined {
  return TRANSFERS.get(verb);
}

/** The commands of RFC 959 and its extensions (RFC 5797), and others that are in use. */
const KNOWN: ReadonlySet<string> = new Set(
  `ABOR ACCT ADAT ALGS ALLO APPE AUTH AVBL CCC CDUP CLNT CONF CPSV CSID CWD DELE DSIZ ENC EPRT EPSV ESTA ESTP FEAT HASH HELP HOST
  LANG LIST LPRT LPSV MACB MDTM MFCT MFF MFMT MIC MKD MLSD MLST MODE NLST NOOP OPTS P@SW PASS PASV PBSZ PORT PROT PWD QUIT RANG
  REIN REST RETR RMD RMDA RNFR RNTO SITE SIZE SMNT SSCN STAT STOR STOU STRU SYST TYPE USER XCRC XCUP XCWD XMD5 XMKD XPWD XRMD XSHA
  XSHA1 XSHA256 XSHA512`.split(/\s+/),
);

/** Whether any FTP server is known to have this verb. */
export function isKnown(verb: string): boolean {
  return KNOWN.has(verb);
}

/**
 * Commands without a data connection of RFC 959, 775, 2389, 2428, 2640, 3659 and 7151, and CLNT,
 * which clients send to say who they are. SITE is not among them: what it does is the server's own
 * affair.
 */
const PLAIN: ReadonlySet<string> = new Set(
  (
    'USER PASS ACCT CWD XCWD CDUP XCUP SMNT QUIT REIN TYPE STRU MODE ALLO REST RNFR RNTO ABOR DELE RMD XRMD MKD XMKD PWD XPWD ' +
    'SYST STAT HELP NOOP FEAT OPTS LANG SIZE MDTM MFMT MFCT MLST HOST CLNT EPSV'
  ).split(' '),
);

/**
 * Whether the verb is known to have nothing to do with a data connection (EPSV is such only as EPSV
 * ALL).
 */
export function isPlain(verb: string): boolean {
  return PLAIN.has(verb);
}

/**
 * Reads a command line (RFC 959 5.3): verb, space, argument, in any case of letters. Any control
 * character ends the verb, as it does for some servers: `PORT` and a tab is still PORT.
 */
export function parseCommand(bytes: Uint8Array): Command {
  const text = trimmed(latin1(bytes));
  const space = text.search(/[\0-\x20]/);
  const verb = (space < 0 ? text : text.slice(0, space)).toUpperCase();
  return { verb, argument: space < 0 ? '' : trimmed(text.slice(space + 1)), bytes };
}

/**
 * Without control characters and spaces at its ends. Not `trim`, which would take 0xA0 off: the
 * UTF-8 form of à ends in it.
 */
function trimmed(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && text.charCodeAt(start) <= 0x20) start += 1;
  while (end > start && text.charCodeAt(end - 1) <= 0x20) end -= 1;
  return text.slice(start, end);
}

/** Bytes as a string in which each character is one byte. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** A NUL that is not Telnet's `CR NUL` (RFC 2640 3.1), which stands for a CR in a file name. */
export function hasStrayNul(bytes: Uint8Array): boolean {
  for (let i = bytes.indexOf(0); i >= 0; i = bytes.indexOf(0, i + 1)) if (bytes[i - 1] !== 0x0d) return true;
  return false;
}

/** Returns a file name for people: UTF-8 if its bytes are that, else Latin-1; controls escaped. */
export function shownName(argument: string): string {
  const bytes = Buffer.from(argument, 'latin1');
  const utf8 = bytes.toString('utf8');
  return escapeControls(utf8.includes('\ufffd') ? argument : utf8);
}
