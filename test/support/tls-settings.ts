import { secureContext } from '../../src/tls/context.ts';
import type { TlsSettings } from '../../src/tls/settings.ts';
import { ForwardTls } from '../../src/tls/target-tls.ts';

/** TLS from the first byte to `ftp.example.com`, verified, with what is given here. */
export function tlsSettings(over: Partial<TlsSettings> = {}): TlsSettings {
  return {
    mode: 'implicit',
    serverName: 'ftp.example.com',
    verify: true,
    ca: null,
    cert: null,
    key: null,
    minVersion: '1.2',
    pin: null,
    clearData: false,
    ...over,
  };
}

/** TLS of a forward of this protocol, by such settings. No authority of this machine is trusted. */
export function forwardTls(protocol: string, over: Partial<TlsSettings> = {}): ForwardTls {
  const settings = tlsSettings(over);
  return new ForwardTls(settings, protocol, secureContext(settings, { SSL_CERT_FILE: '/nowhere' }));
}
