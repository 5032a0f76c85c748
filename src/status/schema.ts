import { z } from 'zod';

const count = z.int().nonnegative();
const time = z.iso.datetime().describe('ISO 8601, UTC');
const endpoint = z.object({ host: z.string(), port: count }).describe('an address and a port');
const bytesUp = count.describe('bytes towards the target');
const bytesDown = count.describe('bytes towards the client');

const problem = z
  .object({
    at: time.describe('when it was last so'),
    times: count.describe('how often in succession'),
    where: z.string().describe("the server's or forward's name"),
    code: z.string().describe('stable, such as SSH_LOST or CHANNEL_REFUSED'),
    message: z.string().describe('for people; never holds a secret'),
  })
  .describe('something that went wrong');

const server = z.object({
  name: z.string().describe('as the forwards name it'),
  label: z.string().describe('user@host'),
  state: z.enum(['idle', 'connecting', 'ready', 'backoff', 'failed', 'draining', 'closed']),
  since: time.describe('since when it is in this state'),
  reconnects: count.describe('how often it came back after a loss'),
  dataConnections: count.describe('further SSH connections, for bulk data, that stand'),
  connection: z
    .object({
      engine: z.string().describe('what logs in and encrypts: ssh2 or openssh'),
      keyExchange: z.string().nullable().describe('null if it is not known'),
      postQuantum: z.boolean().describe('the key exchange resists quantum computers too'),
    })
    .nullable()
    .optional()
    .describe('the main SSH connection; null while it is down'),
  lastError: problem.nullable(),
});

const forward = z.object({
  name: z.string(),
  type: z.string().describe('the protocol: ftp, pop3, smtp, imap, tcp, socks or one of a plugin'),
  direction: z.enum(['local', 'remote']).describe('local listens on this machine, remote on the server'),
  server: z.string().describe("the server's name"),
  listen: endpoint.describe('an address and a port; of a Unix socket, its path and 0'),
  target: z.union([
    endpoint,
    z.object({ sftp: z.string() }).describe('a folder behind SFTP; empty for the home'),
    z.object({ unix: z.string() }).describe('a Unix socket'),
    z.object({ dynamic: z.literal(true) }).describe('each client names the target (SOCKS)'),
  ]),
  tls: z
    .object({
      mode: z.enum(['implicit', 'upgrade']),
      serverName: z.string().describe('the name that the certificate must have'),
      verified: z.boolean().describe('false: any certificate is accepted'),
    })
    .nullable()
    .optional()
    .describe('TLS between the SSH server and the target; null if sshferry speaks none there'),
  listenTls: z
    .object({
      mode: z.enum(['implicit', 'upgrade']),
      required: z.boolean().describe('clients have to begin TLS before they log in'),
    })
    .nullable()
    .optional()
    .describe('TLS between clients and sshferry; null if sshferry speaks none there'),
  clients: count.describe('connected now'),
  clientsTotal: count.describe('connected since the start'),
  bytesUp,
  bytesDown,
  spool: z
    .object({
      files: count,
      bytes: count,
      since: time.nullable().describe('when the oldest was accepted; null if none waits'),
      refused: count.describe('of the files: those that the server has refused, and that are tried again'),
      reason: z.string().nullable().describe('why the server refused the latest of them'),
    })
    .nullable()
    .optional()
    .describe('uploads that wait on this machine for the server; null without a spool'),
});

const transfer = z.object({
  session: count.describe('the client connection that it belongs to'),
  id: count.describe('unique within the session'),
  forward: z.string(),
  client: endpoint,
  user: z.string().nullable().describe('who the client is to the FTP server'),
  verb: z.string().describe('RETR, STOR, LIST, …'),
  path: z
    .string()
    .describe('as the client named it, cut after 500 characters; empty where the command has no argument'),
  direction: z.enum(['download', 'upload']),
  started: time,
  bytes: count.describe('carried so far'),
  size: count.nullable().describe('of how many, as a server or client has told; may be wrong'),
  bytesPerSecond: count.describe('over the last seconds'),
  secondsLeft: count.nullable().describe('null where the size is not known or nothing moves'),
});

/** The status of a running sshferry. */
export const statusSchema = z.object({
  version: z.string().describe("sshferry's own"),
  pid: count,
  started: time,
  now: time.describe('when this was true'),
  servers: z.array(server),
  forwards: z.array(forward),
  transfers: z.array(transfer).describe('those in progress, the oldest first'),
  totals: z
    .object({
      clients: count,
      transfersComplete: count,
      transfersFailed: count,
      bytesUp,
      bytesDown,
    })
    .describe('since the start'),
  errors: z.array(problem).describe('the last ones, the newest first'),
});

/** The output of `sshferry status --json`: one object, even if no sshferry runs. */
export const statusReportSchema = z.object({
  format: z
    .literal(1)
    .describe(
      '1. It goes up when a reader of the old format would no longer understand it. New fields do not change it.',
    ),
  running: z.array(statusSchema).describe("this user's running sshferrys, the oldest first"),
});

export type Status = z.infer<typeof statusSchema>;
export type StatusReport = z.infer<typeof statusReportSchema>;
export type ServerStatus = z.infer<typeof server>;
export type ForwardStatus = z.infer<typeof forward>;
export type TransferStatus = z.infer<typeof transfer>;
export type Problem = z.infer<typeof problem>;
