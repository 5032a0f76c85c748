import { parseArgs } from 'node:util';

/** The three ports that sshferry listens on in the demo. */
export interface Ports {
  readonly ftp: number;
  readonly pop3: number;
  readonly smtp: number;
}

export type Service = keyof Ports;

export const SERVICES: readonly Service[] = ['ftp', 'pop3', 'smtp'];

export const USAGE = `usage: npm run demo -- [--ftp-port N] [--pop3-port N] [--smtp-port N]
Runs sshferry in front of an SSH server of the demo's own; ports are 8021, 8110 and 8025 unless given.`;

/** An error that the user of the demo can fix; the message says how. */
export class DemoError extends Error {
  override readonly name = 'DemoError';
}

/** Parses the demo's arguments. Returns null for --help. Throws a DemoError. */
export function parseOptions(args: readonly string[]): Ports | null {
  const values = parse(args);
  if (values.help) return null;
  const ports = {
    ftp: port('ftp', values['ftp-port']),
    pop3: port('pop3', values['pop3-port']),
    smtp: port('smtp', values['smtp-port']),
  };
  if (new Set(Object.values(ports)).size < SERVICES.length) {
    throw new DemoError('the three ports must differ; see npm run demo -- --help');
  }
  return ports;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        'ftp-port': { type: 'string', default: '8021' },
        'pop3-port': { type: 'string', default: '8110' },
        'smtp-port': { type: 'string', default: '8025' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new DemoError(`${error instanceof Error ? error.message : error}; see npm run demo -- --help`);
  }
}

function port(service: Service, text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > 65535) {
    throw new DemoError(`--${service}-port ${text}: not a port; expected 1 to 65535`);
  }
  return number;
}
