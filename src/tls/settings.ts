/** The oldest TLS version that is accepted. */
export type MinVersion = '1.0' | '1.1' | '1.2' | '1.3';

/** How sshferry speaks TLS to the target of a forward. */
export interface TlsSettings {
  /** `implicit`: from the first byte. `upgrade`: by the protocol's own command, such as STLS. */
  readonly mode: 'implicit' | 'upgrade';
  /** The name that the certificate must have. It is also sent to the server (SNI). */
  readonly serverName: string;
  /** False: any certificate is accepted. */
  readonly verify: boolean;
  /** Path of a PEM file with further certificate authorities. */
  readonly ca: string | null;
  /** Paths of PEM files: the client's own certificate, with its chain, and the key for it. */
  readonly cert: string | null;
  readonly key: string | null;
  readonly minVersion: MinVersion;
  /**
   * SHA-256 of the server's public key as `sha256//` and base64, as curl writes it. The key alone
   * is judged then.
   */
  readonly pin: string | null;
  /** FTP: whether data may go without TLS if the server refuses to protect it. */
  readonly clearData: boolean;
}
