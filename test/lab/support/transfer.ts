import { exec } from './exec.ts';
import { ferry } from './users.ts';

/**
 * One file, by one client on host A. Paths are below ferry's home on the server, and absolute on
 * host A.
 */
export interface Transfer {
  readonly client: TransferClient;
  readonly direction: 'download' | 'upload';
  readonly port: number;
  readonly remote: string;
  readonly local: string;
  /** The authority that it trusts, as a file: it speaks TLS, after AUTH TLS. Default: no TLS. */
  readonly ca?: string | undefined;
}

/** What the client said, and where it is a download what it left: null where there is no file. */
export interface Outcome {
  readonly success: boolean;
  /** It came to no end, and was ended. */
  readonly hung: boolean;
  readonly sha256: string | null;
  readonly output: string;
}

/** Seconds after which a client gives up on a silent server. */
const SILENCE = 20;
/** Seconds after which it counts as hanging. */
const PATIENCE = 180;
const LFTP_UPLOAD_PATIENCE = 40;

const FTPLIB = `
import ftplib, ssl, sys
direction, port, user, password, remote, local, *ca = sys.argv[1:]
ftp = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=ca[0])) if ca else ftplib.FTP()
ftp.connect("localhost", int(port), timeout=${SILENCE})
ftp.login(user, password)
if ca:
    ftp.prot_p()
if direction == "download":
    with open(local, "wb") as file:
        ftp.retrbinary("RETR " + remote, file.write)
else:
    with open(local, "rb") as file:
        ftp.storbinary("STOR " + remote, file)
`;

const BASIC_FTP = `
import { readFileSync } from 'node:fs';
import { Client } from 'basic-ftp';
const [direction, port, user, password, remote, local, ca] = process.argv.slice(1);
const client = new Client(${SILENCE * 1000});
const secureOptions = ca && { ca: readFileSync(ca) };
try {
  await client.access({ host: 'localhost', port: Number(port), user, password, secure: ca !== undefined, secureOptions });
  if (direction === 'download') await client.downloadTo(local, remote);
  else await client.uploadFrom(local, remote);
} finally {
  client.close();
}
`;

/**
 * The arguments that make each client try once, with an exit status that says whether it succeeded.
 */
const ARGV = {
  curl: ({ direction, port, remote, local, ca }: Transfer) => [
    ...['curl', '--silent', '--show-error', '--max-time', '60', '--user', `${ferry.name}:${ferry.password}`],
    ...(ca === undefined ? [] : ['--ssl-reqd', '--cacert', ca]),
    direction === 'download' ? '--output' : '--upload-file',
    local,
    `ftp://localhost:${port}/${remote}`,
  ],
  lftp: ({ direction, port, remote, local, ca }: Transfer) => [
    ...['lftp', '-u', `${ferry.name},${ferry.password}`, '-p', String(port), '-e'],
    [
      'debug 5',
      'set cmd:fail-exit yes',
      'set net:max-retries 1',
      'set net:persist-retries 0',
      'set net:reconnect-interval-base 1',
      // lftp would continue at the present end of the server's file, while bytes that are under way
      // are still being written to it.
      'set ftp:rest-stor no',
      `set net:timeout ${SILENCE}`,
      'set xfer:clobber yes',
      ...(ca === undefined
        ? []
        : [`set ssl:ca-file ${ca}`, 'set ftp:ssl-force yes', 'set ftp:ssl-protect-data yes']),
      direction === 'download' ? `get ${remote} -o ${local}` : `put ${local} -o ${remote}`,
      'bye',
    ].join('; '),
    'localhost',
  ],
  ftplib: (transfer: Transfer) => ['python3', '-c', FTPLIB, ...words(transfer)],
  'basic-ftp': (transfer: Transfer) => [
    'node',
    '--input-type=module',
    '--eval',
    BASIC_FTP,
    '--',
    ...words(transfer),
  ],
} as const;

export type TransferClient = keyof typeof ARGV;
export const TRANSFER_CLIENTS = Object.keys(ARGV) as readonly TransferClient[];

/**
 * lftp retries an upload whatever its settings, as long as bytes have moved. By then it has dropped
 * the file's beginning, so it sends what it still holds, gets a 226 for that, and waits for ever;
 * it never says success.
 */
export function mayHang({ client, direction }: Pick<Transfer, 'client' | 'direction'>): boolean {
  return client === 'lftp' && direction === 'upload';
}

/** Lets the client try once. */
export async function attempt(a: string, transfer: Transfer): Promise<Outcome> {
  const patience = mayHang(transfer) ? LFTP_UPLOAD_PATIENCE : PATIENCE;
  const argv = ['timeout', '-k', '1', String(patience), ...ARGV[transfer.client](transfer)];
  // In the same breath, so that nothing can still be written between the client's word and the
  // checksum.
  const script = 'file=$1; shift; "$@" >&2; code=$?; sha256sum "$file" 2>/dev/null | cut -c -64; exit $code';
  const options = { cwd: '/app', timeout: PATIENCE + 20 };
  const { code, stdout, stderr } = await exec(
    a,
    ['sh', '-c', script, 'sh', transfer.local, ...argv],
    options,
  );
  return {
    success: code === 0,
    hung: code === 124 || code === 137,
    sha256: transfer.direction === 'download' ? stdout.trim() || null : null,
    output: `exit status ${code}: ${stderr.trim()}`,
  };
}

function words({ direction, port, remote, local, ca }: Transfer): string[] {
  const file = ca === undefined ? [] : [ca];
  return [direction, String(port), ferry.name, ferry.password, remote, local, ...file];
}
