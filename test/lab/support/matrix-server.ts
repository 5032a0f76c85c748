import type { Lab } from './lab.ts';
import type { Operation } from './matrix-operations.ts';
import { FTP_HOSTS, type FtpHost } from './topology.ts';
import { ferry } from './users.ts';

/** A server of a matrix: how clients reach it through sshferry, and where its files are. */
export interface MatrixServer {
  /** Heads its column of the table; letters, digits, - and _ only. */
  readonly name: string;
  /** The port that sshferry listens on for it. */
  readonly port: number;
  /** Another port for the same files, whose clients use Shift_JIS. */
  readonly shiftJisPort?: number;
  readonly container: string;
  /** The home folder in the container, with `pub` and `incoming`, and the user that owns it. */
  readonly home: string;
  readonly user: string;
  /** The port of its control connections. Default: 21. */
  readonly controlPort?: number;
  /** The home folder as clients name it, without a slash at the end. */
  readonly clientHome: string;
  /** The FTP server that a failing cell is re-run with, without sshferry. */
  readonly direct: FtpHost;
  /** What is tried with it. Default: all operations of the matrix. */
  readonly operations?: readonly Operation[];
}

const HOME = `/home/${ferry.name}`;

/** The home of every real FTP server of the lab, and of yourserver. */
export const FERRYS_HOME = { home: HOME, user: ferry.name } as const;

/** Returns the lab's FTP servers that have a port here. */
export function ftpServers(
  { hosts }: Lab,
  ports: Readonly<Partial<Record<FtpHost, number>>>,
): MatrixServer[] {
  return FTP_HOSTS.flatMap((name) => {
    const port = ports[name];
    if (port === undefined) return [];
    const { container } = hosts.c[name];
    return [{ name, port, container, ...FERRYS_HOME, clientHome: HOME, direct: name }];
  });
}
