import { parseHost, parsePort } from '../../config/address.ts';
import type { Arguments } from '../../config/load.ts';
import { GatewayError } from '../../core/errors.ts';
import { parseDestination } from '../../core/ssh/config/destination.ts';
import { didYouMean } from '../../core/text/suggest.ts';
import type { Environment } from '../environment.ts';

/** How often a question is asked before its answer has to be valid. */
const TRIES = 3;

/**
 * Asks in four questions what to forward. Returns the arguments of that tunnel, or rejects with
 * `CONFIG_INVALID`.
 */
export async function askForArguments({ prompter, plugins, platform }: Environment): Promise<Arguments> {
  const person = prompter();
  if (!person.interactive) {
    throw new GatewayError('CONFIG_INVALID', 'cannot ask questions without a terminal', {
      hint: 'pass the arguments of a tunnel, such as sshferry init -L 8021:localhost:21 you@yourserver.example.com',
    });
  }
  const ask = async <T>(question: string, otherwise: string, read: (answer: string) => T): Promise<T> => {
    const suffix = otherwise === '' ? ': ' : ` [${otherwise}]: `;
    for (let tries = 1; ; tries++) {
      const answer = await person.ask(`${question}${suffix}`, { echo: true }).catch((error: unknown) => {
        throw new GatewayError('CONFIG_INVALID', 'nothing was written: the questions were not answered', {
          cause: error,
        });
      });
      try {
        return read(answer.trim() || otherwise);
      } catch (error) {
        if (!(error instanceof Error) || tries === TRIES) throw error;
        person.tell(`${error.message}\n`);
      }
    }
  };
  const types = plugins.filter(({ defaultPorts }) => defaultPorts.length > 0);
  const names = types.map(({ name }) => name);

  const destination = await ask('SSH server, as you@yourserver.example.com', '', (answer) => {
    parseDestination(answer);
    return answer;
  });
  const services = await ask(`Which services of ${names.join(', ')}`, names[0] ?? '', (answer) =>
    distinct(
      words(answer).map((word) => {
        const type = types.find(({ name }) => name === word.toLowerCase());
        if (type !== undefined) return type;
        throw invalid(`unknown service '${word}'${didYouMean(word, names)}; expected ${names.join(', ')}`);
      }),
    ),
  );
  const host = await ask('Where they run, as the SSH server sees it', 'localhost', (answer) =>
    parseHost(answer, 'the host'),
  );
  // On most systems, only root can bind ports below 1024.
  const usual = services.map(({ defaultPorts: [port = 0] }) => (platform === 'win32' ? port : 8000 + port));
  const ports = await ask('Local ports for them', usual.join(', '), (answer) => {
    const given = words(answer);
    const ports = given.map((port) => parsePort(port, 'the port'));
    if (distinct(ports).length < ports.length) throw invalid('each service needs its own port');
    if (ports.length === services.length) return ports;
    throw invalid(`enter one port for each service: ${services.map(({ name }) => name).join(', ')}`);
  });
  const target = host.includes(':') ? `[${host}]` : host;
  return {
    destination,
    forwards: services.map(({ name, defaultPorts }, i) => `${name}/${ports[i]}:${target}:${defaultPorts[0]}`),
    options: [],
    gatewayPorts: false,
    session: true,
    log: { level: 'info' },
  };
}

function words(answer: string): string[] {
  return answer.split(/[\s,]+/).filter((word) => word !== '');
}

function distinct<T>(items: readonly T[]): T[] {
  return [...new Set(items)];
}

function invalid(message: string): GatewayError {
  return new GatewayError('CONFIG_INVALID', message);
}
