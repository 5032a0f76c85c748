import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { absolutePath } from '../core/absolute-path.ts';
import type { SessionContext } from '../core/plugin.ts';
import { destinationOf, tcpEndpoint } from '../core/target.ts';
import { clientSpeaksFirst } from '../protocols/greeting.ts';
import type { DataOptions } from './data/client-leg.ts';
import { PortRange } from './data/port-range.ts';
import { DEFAULT_LIMITS, type FtpPolicy } from './rewrite/policy.ts';
import { parsePasswordHash } from './server/io/password.ts';
import { isNameCharset } from './server/names.ts';
import { FolderService } from './server/sftp/folder-service.ts';
import { securityOf } from './wire/security.ts';

const portRange = z
  .string()
  .regex(/^\d+-\d+$/, 'a range such as 50000-50100')
  .transform((text) => text.split('-').map(Number) as [number, number])
  .refine(([first, last]) => first >= 1 && first <= last && last <= 65_535, 'a range such as 50000-50100')
  .transform(([first, last]) => new PortRange(first, last));

const ipv4 = z.string().refine((text) => ipaddr.IPv4.isValidFourPartDecimal(text), 'an IPv4 address');
const ip = z.string().refine((text) => ipaddr.isValid(text), 'an IP address');

const access = z.enum(['read-write', 'read-only', 'upload-only']);

/** A user of a folder behind SFTP. */
const user = z.strictObject({
  password: z
    .string()
    .describe('The hash of the password; sshferry hash makes it')
    .transform((text, context) => {
      const hash = parsePasswordHash(text);
      if (hash !== null) return hash;
      context.addIssue('a hash that sshferry hash has made, which begins with $scrypt$');
      return z.NEVER;
    }),
  folder: z
    .string()
    .refine((text) => !text.split('/').includes('..'), 'a path without ..')
    .default('')
    .transform((text) => text.replace(/^\/+|\/+$/g, ''))
    .describe("The user's folder, below that of the forward (default: that folder)"),
  access: access.optional().describe("What the user may do (default: the forward's access)"),
});

const DEFAULT_SPOOL = '1GB';

const spoolFolder = z
  .string()
  .regex(/^(~?\/)/, 'an absolute path, or ~/…')
  .transform((text) => absolutePath(text));

const SIZE_UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

/** A number of bytes, or one with a unit. */
const spoolSize = z
  .union([
    z.int().min(1),
    z.string().regex(/^\d{1,6}(\.\d+)? ?[kKMGT]?B$/, 'a number of bytes, such as 500MB'),
  ])
  .default(DEFAULT_SPOOL)
  .transform((given) => {
    if (typeof given === 'number') return given;
    const unit = given.replace(/[\d. ]/g, '').toUpperCase();
    return Math.floor(Number.parseFloat(given) * 1000 ** SIZE_UNITS.indexOf(unit));
  });

/** The fields that only a folder behind SFTP has. */
export const SERVER_FIELDS = [
  'access',
  'ascii',
  'charset',
  'followLinks',
  'keepPartial',
  'fsync',
  'users',
  'spool',
] as const;

/**
 * FTP's part of the configuration; `dataPorts` is `FtpDataPorts` on the command line, and so on.
 */
const fields = z.strictObject({
  active: z
    .enum(['to-passive', 'remote-forward', 'refuse'])
    .default('to-passive')
    .describe(
      'How to serve PORT and EPRT: to-passive asks the FTP server for a passive port, remote-forward asks the SSH server for a listener, refuse refuses (default: to-passive).',
    ),
  dataHost: z
    .union([z.enum(['control', 'reply']), ip])
    .default('control')
    .describe(
      "The host to dial for data: that of the control connection (control), the one in the server's reply (reply), or an address (default: control).",
    ),
  dataPorts: portRange
    .optional()
    .describe('Local ports for data connections, such as 50000-50100 (default: any free port).'),
  dataPeer: z
    .enum(['client', 'any'])
    .default('client')
    .describe(
      "Which address may connect to a data port: only the client's own (client) or any (default: client).",
    ),
  advertise: ipv4
    .optional()
    .describe(
      'IPv4 address for PASV replies, for clients behind NAT (default: the one that the client connected to).',
    ),
  prefetch: z
    .boolean()
    .default(false)
    .describe(
      'Ask vsftpd for the next data port right after each transfer command, which saves a round trip for each file (default: no).',
    ),
  dataTimeout: z
    .number()
    .int()
    .min(1)
    .max(3600)
    .default(60)
    .describe('Seconds that a client may take to connect to a data port (default: 60).'),
  loginTimeout: z
    .number()
    .int()
    .min(0)
    .max(3600)
    .default(60)
    .describe('Seconds that a client on another host may take to log in; 0 is no limit (default: 60).'),
  clientSpeaksFirst,
  idleTimeout: z
    .number()
    .int()
    .min(0)
    .max(604_800)
    .default(7200)
    .describe(
      'Seconds without a byte on the control connection and all data connections after which a session ends; 0 is no limit (default: 7200).',
    ),
  access: access
    .optional()
    .describe(
      'Folders behind SFTP: what clients may do. read-write, read-only, or upload-only: store new files, and neither see, replace nor delete any other (default: read-write).',
    ),
  ascii: z
    .enum(['convert', 'binary'])
    .optional()
    .describe(
      'Folders behind SFTP: convert line ends in TYPE A as RFC 959 says, or leave bytes as they are (binary) (default: convert).',
    ),
  charset: z
    .string()
    .refine(isNameCharset, 'a character set that contains ASCII, such as shift_jis or windows-1252')
    .optional()
    .describe(
      'Folders behind SFTP: the character set of file names for clients that do not ask for UTF-8, such as shift_jis (default: UTF-8).',
    ),
  followLinks: z
    .boolean()
    .optional()
    .describe('Folders behind SFTP: follow symbolic links that lead out of the folder (default: no).'),
  keepPartial: z
    .boolean()
    .optional()
    .describe(
      'Folders behind SFTP: keep what arrived of a broken upload under its name, so that the client can resume (default: yes).',
    ),
  fsync: z
    .boolean()
    .optional()
    .describe("Folders behind SFTP: confirm an upload only when it is on the server's disk (default: no)."),
  users: z
    .record(z.string().min(1), user)
    .transform((users) => new Map(Object.entries(users)))
    .optional()
    .describe(
      'Folders behind SFTP: users with their passwords; needed to listen on other addresses than loopback (default: any name and password).',
    ),
  spool: z
    .union([
      spoolFolder,
      z.strictObject({
        folder: spoolFolder.describe('A folder of this machine for this forward alone: absolute, or ~/…'),
        max: spoolSize.describe(`Bytes that it may hold, such as 500MB (default: ${DEFAULT_SPOOL})`),
      }),
    ])
    .transform((given) =>
      typeof given === 'string' ? { folder: given, max: spoolSize.parse(undefined) } : given,
    )
    .optional()
    .describe(
      `Folders behind SFTP: take uploads into this folder of this machine while the server cannot be reached, and deliver them later; also as { folder, max } (default: no; max: ${DEFAULT_SPOOL}).`,
    ),
});

/** Adds what the sessions of a forward share. */
export const schema = fields.transform((config) => ({ ...config, service: new FolderService() }));

export type FtpConfig = z.output<typeof schema>;

/** Returns how the data connections of a session are opened. */
export function dataOptionsOf(config: FtpConfig): DataOptions {
  const { dataTimeout, dataPorts, advertise, dataPeer } = config;
  return {
    acceptTimeout: dataTimeout * 1000,
    ports: dataPorts ?? null,
    advertise: advertise ?? null,
    anyPeer: dataPeer === 'any',
  };
}

/** Returns what one session may do. */
export function policyOf(session: SessionContext, config: FtpConfig): FtpPolicy {
  const { dataHost, active, prefetch } = config;
  return {
    target: tcpEndpoint(destinationOf(session.target)),
    client: session.peer.remote.host,
    dataHost: dataHost === 'control' || dataHost === 'reply' ? dataHost : { address: dataHost },
    active,
    prefetch,
    secured: session.secured,
    clientTls: securityOf(session.clientTls),
    limits: DEFAULT_LIMITS,
  };
}
