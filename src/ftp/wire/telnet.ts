// RFC 854: IAC starts a command; 0xF0 to 0xFA are two bytes long, WILL to DONT three; IAC IAC is
// one escaped 0xFF.
const IAC = 0xff;
const FIRST_COMMAND = 0xf0;
const DM = 0xf2;
const IP = 0xf4;
const WILL = 0xfb;
const LF = 0x0a;
const SPACE = 0x20;

/**
 * Removes the Telnet commands from the verb of one command line, and from what stands before it.
 * Every byte after the verb stays as it came: FF and F0 to FE are letters of file names in CP1251
 * and Latin-1. Returns the line itself if it has nothing to remove.
 *
 * An FTP client sends `IAC IP IAC DM` before ABOR (RFC 959 4.1.3). The Synch is urgent data, of
 * which one byte is lost on the way here, and older clients send all of it as urgent data: any run
 * of FF, F4 and F2 occurs, with or without an IAC. The verb itself is cleaned too, because some
 * servers remove Telnet commands everywhere (proftpd). A command that such a server reads as PASV
 * must be PASV here too.
 */
export function stripTelnet(line: Uint8Array): Uint8Array {
  const kept: number[] = [];
  const end = line.at(-1) === LF ? line.length - 1 : line.length;
  let inVerb = false;
  let i = 0;
  while (i < end) {
    const byte = line[i] ?? 0;
    if (inVerb && byte <= SPACE) break;
    if (byte === IAC) {
      i += lengthOfCommand(line[i + 1]);
      continue;
    }
    i += 1;
    if (!inVerb && (byte === DM || byte === IP)) continue;
    inVerb ||= byte > SPACE;
    kept.push(byte);
  }
  const read = Math.min(i, end);
  return kept.length === read ? line : Buffer.concat([Uint8Array.from(kept), line.subarray(read)]);
}

/**
 * How many bytes of a Telnet command to remove, by the byte after its IAC. A lone IAC is what
 * urgent data leaves of a Synch.
 */
function lengthOfCommand(next: number | undefined): number {
  if (next === undefined || next < FIRST_COMMAND) return 1;
  return next >= WILL && next < IAC ? 3 : 2;
}
