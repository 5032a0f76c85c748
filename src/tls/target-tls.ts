import { type Endpoint, formatEndpoint } from '../core/endpoint.ts';
import type { Logger } from '../core/log.ts';
import type { DataTls, TargetTls } from '../core/target-tls.ts';
import type { Transport } from '../core/transport.ts';
import { type Certificate, describeValidity, ExpiryWarning } from './certificate.ts';
import { sameContext, type TargetContext } from './context.ts';
import { FtpTlsTransport } from './ftp-transport.ts';
import type { TlsSettings } from './settings.ts';
import { TlsClient } from './tls-client.ts';
import { begin, TlsTransport } from './transport.ts';
import type { Upgrade } from './upgrade/dialogue.ts';
import { ftpUpgrade } from './upgrade/ftp.ts';
import { imapUpgrade } from './upgrade/imap.ts';
import { pop3Upgrade } from './upgrade/pop3.ts';
import { smtpUpgrade } from './upgrade/smtp.ts';

/** The protocols whose TLS begins by a command before anything else, by the names of their plugins. */
const UPGRADES: Readonly<Record<string, Upgrade>> = {
  pop3: pop3Upgrade,
  imap: imapUpgrade,
  smtp: smtpUpgrade,
};

/** TLS towards the target of one forward. Its sessions share the context and what was warned about. */
export class ForwardTls implements TargetTls {
  readonly #settings: TlsSettings;
  readonly #protocol: string;
  #context: TargetContext;
  readonly #expiry = new ExpiryWarning();

  /** `protocol` is the name of the forward's plugin. */
  constructor(settings: TlsSettings, protocol: string, context: TargetContext) {
    this.#settings = settings;
    this.#protocol = protocol;
    this.#context = context;
  }

  /** Returns a function that takes the files of `newer`, of equal settings; null if they are the same. */
  renewal(newer: ForwardTls): (() => void) | null {
    const context = newer.#context;
    if (sameContext(context, this.#context)) return null;
    return () => {
      this.#context = context;
    };
  }

  get mode(): TargetTls['mode'] {
    return this.#settings.mode;
  }

  get serverName(): string {
    return this.#settings.serverName;
  }

  get verified(): boolean {
    return this.#settings.verify || this.#settings.pin !== null;
  }

  over(far: Transport, log: Logger, onData?: (data: DataTls) => void): Transport {
    const client = new TlsClient(this.#settings, this.#context.context, (certificate) =>
      this.#expiry.check(certificate.validTo, `the certificate of ${this.serverName}`, log),
    );
    if (this.#protocol === 'ftp') return new FtpTlsTransport(far, client, log, onData);
    return new TlsTransport(far, {
      client,
      upgrade: this.#settings.mode === 'upgrade' ? UPGRADES[this.#protocol] : undefined,
      // Bytes of unknown meaning do not show that some are missing.
      needsCloseNotify: this.#protocol === 'tcp',
      log,
    });
  }

  async probe(far: Transport, to: Endpoint, signal: AbortSignal): Promise<string> {
    let presented: Certificate | null = null;
    const client = new TlsClient(this.#settings, this.#context.context, (certificate) => {
      presented = certificate;
    });
    const upgrade = this.mode === 'upgrade' ? (UPGRADES[this.#protocol] ?? ftpUpgrade) : undefined;
    const stream = await far.openStream(to, { signal, control: true });
    const { secure } = await begin(stream, client, { peer: formatEndpoint(to), upgrade, signal });
    try {
      const { version, cipher } = await secure.secured;
      return `${version} (${cipher})${presented === null ? '' : `, certificate ${describeValidity(presented)}`}`;
    } finally {
      secure.destroy();
    }
  }
}
