/*
 * Two small programs that ssh starts, and that connect it to sshferry by a socket in the master's
 * private folder. Node runs them from its command line, so that they need no file of their own.
 */

/**
 * Answers one question of ssh (SSH_ASKPASS): sends it to the socket as a line of JSON, and prints
 * the answer. Fails if the answer is null. Without an answer it waits for ssh to end: if it
 * failed, ssh would send an empty password to the server. Arguments: the socket, the question.
 */
const ASK = `
  const [socket, question] = process.argv.slice(1);
  const hint = process.env.SSH_ASKPASS_PROMPT || '';
  const answer = [];
  const ssh = process.ppid;
  const waitForEnd = () => void setInterval(() => process.ppid === ssh || process.exit(1), 200);
  const peer = require('net').connect(socket, () => peer.write(JSON.stringify({ hint, question }) + '\\n'));
  peer.setEncoding('utf8').on('data', (text) => answer.push(text)).on('error', () => {});
  peer.on('close', () => {
    if (answer.length === 0) return waitForEnd();
    const line = JSON.parse(answer.join(''));
    if (line === null) process.exit(1);
    process.stdout.write(line + '\\n');
  });
`;

/**
 * Carries its standard input and output over the socket (ProxyCommand), until either ends. Argument:
 * the socket.
 */
const CARRY = `
  const end = () => process.exit(0);
  const socket = require('net').connect({ path: process.argv[1] });
  process.stdin.on('error', end).pipe(socket).on('error', end).pipe(process.stdout).on('error', end);
  socket.on('end', end).on('close', end);
`;

/** Returns the content of an executable that asks at this socket; its argument is the question. */
export function askpassScript(socket: string): string {
  return `#!/bin/sh\nexec ${program(ASK, socket)} "$1"\n`;
}

/** Returns the command that carries a connection over this socket. */
export function carrierCommand(socket: string): string {
  return program(CARRY, socket);
}

function program(code: string, ...args: string[]): string {
  return [process.execPath, '-e', code, '--', ...args].map(shellQuoted).join(' ');
}

function shellQuoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
