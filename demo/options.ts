import { parseArgs } from 'node:util';

/** The ports that sshferry listens on in the demo; `folder` is FTP in front of SFTP. */
export interface Ports {
  readonly ftp: number;
  readonly pop3: number;
  readonly smtp: number;
  readonly folder: number;
}

/** The services behind the SSH server. */
export type Service = Exclude<keyof Ports, 'folder'>;

export const SERVICES: readonly Service[] = ['ftp', 'pop3', 'smtp'];
/** All ports, by name. */
export const PORTS: readonly (keyof Ports)[] = [...SERVICES, 'folder'];

export const USAGE = `usage: npm run demo -- [--ftp-port N] [--pop3-port N] [--smtp-port N] [--folder-port N]
Runs sshferry in front of an SSH server of the demo's own (default ports: 8021, 8110, 8025, 8022).`;

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
    folder: port('folder', values['folder-port']),
  };
  if (new Set(Object.values(ports)).size < PORTS.length) {
    throw new DemoError('the ports must differ; see npm run demo -- --help');
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
        'folder-port': { type: 'string', default: '8022' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new DemoError(`${error instanceof Error ? error.message : error}; see npm run demo -- --help`);
  }
}

function port(service: keyof Ports, text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > 65535) {
    throw new DemoError(`--${service}-port ${text}: not a port; expected 1 to 65535`);
  }
  return number;
}
