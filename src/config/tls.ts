import { z } from 'zod';
import { absolutePath } from '../core/absolute-path.ts';

const file = z
  .string()
  .min(1)
  .transform((text) => absolutePath(text));

const pin = z
  .string()
  .regex(/^sha256\/\/[A-Za-z0-9+/]{43}=$/, 'sha256// and the base64 of the SHA-256 of the public key');

const VERSIONS = ['1.0', '1.1', '1.2', '1.3'] as const;
const OLDEST = 'The oldest version of TLS to accept: 1.0, 1.1, 1.2 or 1.3 (default: 1.2).';

/** The options of TLS with a target, as `-o Tls…` sets them. */
export const tlsOptionsSchema = z.strictObject({
  serverName: z
    .string()
    .min(1)
    .optional()
    .describe("The name that the target's certificate must have (default: the host of the target)."),
  verify: z
    .boolean()
    .default(true)
    .describe(
      "Verify the target's certificate; without that, any server that answers gets passwords and files (default: yes).",
    ),
  ca: file
    .optional()
    .describe('PEM file of certificate authorities to trust, besides those of Node and of the system.'),
  cert: file
    .optional()
    .describe("PEM file of sshferry's own certificate and its chain, for a target that asks for one."),
  key: file.optional().describe('PEM file of the private key of that certificate, without a passphrase.'),
  minVersion: z.enum(VERSIONS).default('1.2').describe(OLDEST),
  pin: pin
    .optional()
    .describe(
      "SHA-256 of the target's public key, as sha256//…; the target must have this key, and no other rule applies.",
    ),
  clearData: z
    .boolean()
    .default(false)
    .describe(
      'FTP: if the target refuses PROT P, send files without TLS from the SSH server to the target (default: no).',
    ),
});

/** Returns the schema of a version in a config file: YAML reads an unquoted 1.2 as a number. */
function minVersion(description: string) {
  return z
    .literal([...VERSIONS, ...VERSIONS.map(Number)])
    .transform((given) => VERSIONS.find((version) => Number(version) === Number(given)) ?? '1.2')
    .prefault('1.2')
    .describe(description);
}

/** The same in a config file, with `mode`. */
export const tlsSchema = tlsOptionsSchema.extend({
  minVersion: minVersion(OLDEST),
  mode: z
    .enum(['implicit', 'upgrade'])
    .optional()
    .describe(
      "How TLS begins: implicit with the first byte, upgrade by the protocol's own command, such as STARTTLS (default: by the type).",
    ),
});

const LISTEN_CERT = 'PEM file of the certificate for clients, followed by those of its chain.';
const LISTEN_KEY = 'PEM file of the private key of that certificate, which other users cannot read.';
const LISTEN_MODE =
  "How clients begin TLS: implicit with the first byte, upgrade by the protocol's own command, such as AUTH TLS or STARTTLS (default: upgrade; implicit for tcp).";
const LISTEN_REQUIRED =
  'Refuse logins and data without TLS (default: no on loopback and on a Unix socket, otherwise yes).';
const LISTEN_OLDEST = 'The oldest version of TLS for clients: 1.0, 1.1, 1.2 or 1.3 (default: 1.2).';

/** The options of TLS with clients, as `-o ListenTls…` sets them. */
export const listenTlsOptionsSchema = z.strictObject({
  cert: file.optional().describe(LISTEN_CERT),
  key: file.optional().describe(LISTEN_KEY),
  mode: z.enum(['implicit', 'upgrade']).optional().describe(LISTEN_MODE),
  required: z.boolean().optional().describe(LISTEN_REQUIRED),
  minVersion: z.enum(VERSIONS).default('1.2').describe(LISTEN_OLDEST),
});

/** The same in a config file. */
export const listenTlsSchema = listenTlsOptionsSchema.extend({
  cert: file.describe(LISTEN_CERT),
  key: file.describe(LISTEN_KEY),
  minVersion: minVersion(LISTEN_OLDEST),
});

/** TLS with the clients of a forward. */
export interface ListenTlsConfig extends Omit<z.output<typeof listenTlsSchema>, 'mode' | 'required'> {
  readonly mode: 'implicit' | 'upgrade';
  /** Undefined: by the address that the forward listens on. */
  readonly required?: boolean | undefined;
}

/** TLS of a forward: the mode, from its type or from `tls.mode`, and the options. */
export interface TlsConfig extends z.output<typeof tlsOptionsSchema> {
  readonly mode: 'implicit' | 'upgrade';
}
