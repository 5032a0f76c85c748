import { homedir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';

const file = z
  .string()
  .min(1)
  .transform((text) => path.resolve(text.replace(/^~(?=\/)/, homedir())));

const pin = z
  .string()
  .regex(/^sha256\/\/[A-Za-z0-9+/]{43}=$/, 'sha256// and the base64 of the SHA-256 of the public key');

/** How TLS with a target is spoken: the part that `-o Tls…` sets as well. */
export const tlsOptionsSchema = z.strictObject({
  serverName: z
    .string()
    .min(1)
    .optional()
    .describe("The name that the target's certificate must have (default: the host of the target)."),
  verify: z
    .boolean()
    .default(true)
    .describe('Verify the certificate; without it, whoever answers gets passwords and files (default: yes).'),
  ca: file.optional().describe('PEM file with certificate authorities to trust besides those of the system.'),
  cert: file.optional().describe("PEM file with the client's own certificate and its chain."),
  key: file.optional().describe('PEM file with the key of that certificate.'),
  minVersion: z
    .enum(['1.0', '1.1', '1.2', '1.3'])
    .default('1.2')
    .describe('The oldest version of TLS to accept: 1.0, 1.1, 1.2 or 1.3 (default: 1.2).'),
  pin: pin
    .optional()
    .describe(
      'SHA-256 of the public key of the target, as sha256//…: the target must have this key, and no authority is asked.',
    ),
  clearData: z
    .boolean()
    .default(false)
    .describe(
      'FTP: let files go without TLS from the SSH server on if the target refuses to protect them (default: no).',
    ),
});

/** The same in a config file, with how TLS begins. */
export const tlsSchema = tlsOptionsSchema.extend({
  mode: z
    .enum(['implicit', 'upgrade'])
    .optional()
    .describe(
      "implicit begins TLS with the first byte, upgrade by the protocol's own command, such as STARTTLS (default: by the type).",
    ),
});

/** TLS of a Config: what the forward's type or `mode` says, and the options. */
export interface TlsConfig extends z.output<typeof tlsOptionsSchema> {
  readonly mode: 'implicit' | 'upgrade';
}
