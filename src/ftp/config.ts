import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import type { SessionContext } from '../core/plugin.ts';
import { clientSpeaksFirst } from '../protocols/greeting.ts';
import { PortRange } from './data/port-range.ts';
import { DEFAULT_LIMITS, type FtpPolicy } from './rewrite/policy.ts';

const portRange = z
  .string()
  .regex(/^\d+-\d+$/, 'a range such as 50000-50100')
  .transform((text) => text.split('-').map(Number) as [number, number])
  .refine(([first, last]) => first >= 1 && first <= last && last <= 65_535, 'a range such as 50000-50100')
  .transform(([first, last]) => new PortRange(first, last));

const ipv4 = z.string().refine((text) => ipaddr.IPv4.isValidFourPartDecimal(text), 'an IPv4 address');
const ip = z.string().refine((text) => ipaddr.isValid(text), 'an IP address');

/** FTP's part of the configuration; `dataPorts` is `FtpDataPorts` on the command line, and so on. */
export const schema = z.strictObject({
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
});

export type FtpConfig = z.infer<typeof schema>;

/** Returns what one session may do. */
export function policyOf(session: SessionContext, config: FtpConfig): FtpPolicy {
  const { dataHost, active, prefetch } = config;
  return {
    target: session.target,
    client: session.peer.remote.host,
    dataHost: dataHost === 'control' || dataHost === 'reply' ? dataHost : { address: dataHost },
    active,
    prefetch,
    limits: DEFAULT_LIMITS,
  };
}
