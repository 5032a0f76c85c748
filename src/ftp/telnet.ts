// RFC 854: IAC starts a command; 0xF0 to 0xFA are two bytes long, WILL to DONT three; IAC IAC is one escaped 0xFF.
const IAC = 0xff;
const FIRST_COMMAND = 0xf0;
const DM = 0xf2;
const IP = 0xf4;
const LF = 0x0a;
const WILL = 0xfb;

/**
 * Takes the Telnet commands out of one command line and keeps the escaped `IAC IAC`. An FTP client sends IP and Synch before
 * ABOR (RFC 959 4.1.3). The Synch is urgent data, of which one byte gets lost on the way here, so these shapes occur before
 * ABOR: `FF F4 FF F2`, `FF F4 F2` and `FF F4 FF`. Gives the line itself where there is nothing to take out.
 */
export function stripTelnet(line: Uint8Array): Uint8Array {
  if (!line.includes(IAC)) return line;
  const kept: number[] = [];
  let i = 0;
  const at = (index: number) => line[index] ?? 0;
  const end = line.at(-1) === LF ? line.length - 1 : line.length;
  while (i < end) {
    const byte = at(i);
    const next = at(i + 1);
    if (byte !== IAC) {
      kept.push(byte);
      i += 1;
    } else if (next === IAC) {
      kept.push(IAC, IAC);
      i += 2;
    } else if (next >= WILL) {
      i += 3;
    } else if (next >= FIRST_COMMAND) {
      i += 2;
      if (next === IP && at(i) === DM) i += 1;
    } else {
      // A lone IAC: the rest of a Synch before the verb; within an argument a client that does not escape, so it stays.
      if (kept.length > 0) kept.push(byte);
      i += 1;
    }
  }
  return Uint8Array.from([...kept, ...line.subarray(end)]);
}
