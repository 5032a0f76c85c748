import { once } from 'node:events';
import net from 'node:net';
import { PASSWORD, USER } from '../demo/account.ts';

/**
 * Opens `connections` sessions at a POP3 server, `parallel` at a time, and fetches the letter in
 * each. Returns the seconds. Rejects if a session did not get the whole letter.
 */
export async function fetchLetters(
  server: { host: string; port: number },
  connections: number,
  parallel: number,
): Promise<number> {
  let left = connections;
  const client = async () => {
    while (left > 0) {
      left -= 1;
      await fetchLetter(server);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: parallel }, client));
  return (performance.now() - started) / 1000;
}

async function fetchLetter(server: { host: string; port: number }): Promise<void> {
  const socket = net.connect({ ...server, noDelay: true });
  const ended = once(socket, 'close');
  // Each command waits for the previous reply; the greeting is the first one.
  const commands = [`USER ${USER}`, `PASS ${PASSWORD}`, 'RETR 1', 'QUIT'];
  let said = '';
  let letter = false;
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    said += text;
    const asked = commands[0];
    if (!said.endsWith(commands.length === 1 ? '\r\n.\r\n' : '\r\n')) return;
    if (commands.length === 1) letter = said.startsWith('+OK');
    said = '';
    commands.shift();
    if (asked !== undefined) socket.write(`${asked}\r\n`);
  });
  await ended;
  if (!letter) throw new Error(`a POP3 client of ${server.host}:${server.port} got no letter: ${said}`);
}
