import { z } from 'zod';

/**
 * Protocols as the configuration sees them: names, ports and a schema with options of every simple
 * kind.
 */
export const plugins = [
  {
    name: 'ftp',
    defaultPorts: [21],
    needsAddresses: true,
    schema: z.strictObject({
      active: z.enum(['to-passive', 'refuse']).default('to-passive'),
      prefetch: z.boolean().default(false),
      dataHost: z.union([z.enum(['control', 'reply']), z.ipv4('an IPv4 address')]).default('control'),
      maxDataPorts: z.number().int().min(1).max(64).default(16),
      dataPorts: z
        .string()
        .regex(/^\d+-\d+$/, 'a range of ports such as 50000-50100')
        .optional(),
    }),
  },
  { name: 'pop3', defaultPorts: [110], schema: z.strictObject({}) },
  { name: 'tcp', defaultPorts: [], schema: z.strictObject({}) },
  { name: 'socks', defaultPorts: [], isDynamic: true, schema: z.strictObject({}) },
];
