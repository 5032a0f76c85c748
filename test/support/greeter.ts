// Listens on a free port of 127.0.0.1 as sshferry does, greets whom it admits, and writes lines of
// JSON: its port, what it is warned of, or why it cannot listen. With an argument it uses up its
// descriptors first, but for that many.
import { closeSync, openSync } from 'node:fs';
import { localTransport } from '../../src/core/local/local-transport.ts';
import type { Logger } from '../../src/core/log.ts';

const say = (what: object) => console.log(JSON.stringify(what));
const none = () => {};
const log: Logger = {
  error: none,
  warn: (...words: unknown[]) => say({ warning: words.at(-1) }),
  info: none,
  debug: none,
  trace: none,
  child: () => log,
};

try {
  const transport = await localTransport([], log);
  const { endpoint } = await transport.listen({ host: '127.0.0.1', port: 0 }, (stream) => {
    stream.on('error', none).resume().end('hello');
  });
  if (process.argv[2] !== undefined) useUpDescriptors(Number(process.argv[2]));
  say({ port: endpoint.port });
} catch (error) {
  const { code, message } = error as Error & { code?: string };
  say({ code, message });
}

function useUpDescriptors(spare: number): void {
  const descriptors: number[] = [];
  try {
    for (;;) descriptors.push(openSync('/dev/null', 'r'));
  } catch {
    // At the limit.
  }
  for (const descriptor of descriptors.slice(0, spare)) closeSync(descriptor);
}
