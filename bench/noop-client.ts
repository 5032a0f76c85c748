import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'basic-ftp';

/** From a reply to the next command, in milliseconds. */
const PAUSE = 20;

/**
 * `noop-client.ts HOST PORT` logs in at an FTP server, says so, and sends NOOP after NOOP until its
 * input ends; then it writes how long each reply took, in milliseconds. It is its own process,
 * because starting other programs blocks a process for a moment.
 */
const [host = '', port] = process.argv.slice(2);
const client = new Client();
await client.access({ host, port: Number(port), user: 'anonymous', password: 'bench' });
process.stdout.write('logged in\n');
const times: number[] = [];
let stopped = false;
process.stdin.once('end', () => {
  stopped = true;
});
process.stdin.resume();
while (!stopped) {
  const sent = performance.now();
  await client.send('NOOP');
  times.push(performance.now() - sent);
  await sleep(PAUSE);
}
client.close();
process.stdout.write(`${JSON.stringify(times)}\n`);
