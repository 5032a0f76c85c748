import { describe, expect, it } from 'vitest';
import { type Certificate, validityOf } from '../../src/tls/certificate.ts';
import { judge } from '../../src/tls/judge.ts';
import { tlsSettings } from '../support/tls-settings.ts';

const PIN = `sha256//${'A'.repeat(43)}=`;
const certificate: Certificate = {
  names: ['*.example.net', 'ftp.example.net'],
  issuer: 'Test CA',
  validFrom: new Date('2026-01-01T00:00:00Z'),
  validTo: new Date('2027-01-01T00:00:00Z'),
  pin: PIN,
};

describe('a server', () => {
  it.each([
    ['with a certificate that is in order', null, {}],
    ['with any certificate, if none is verified', 'CERT_HAS_EXPIRED', { verify: false }],
    ['with the pinned key, whatever its certificate says', 'CERT_HAS_EXPIRED', { pin: PIN }],
  ])('%s is accepted', (_what, fault, settings) => {
    expect(judge({ certificate, fault }, tlsSettings(settings))).toBeNull();
  });

  it.each([
    ['CERT_HAS_EXPIRED', /it has expired; .*valid 2026-01-01 to 2027-01-01, .*set TlsPin=sha256\/\/A+=$/],
    ['CERT_NOT_YET_VALID', /not valid yet; the clock/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /signed by itself; .*from Test CA/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /not trusted here; .*set TlsCa to the file/],
    [
      'ERR_TLS_CERT_ALTNAME_INVALID',
      /for another name; it is for \*\.example\.net, ftp\.example\.net, .*set TlsServerName=ftp\.example\.net/,
    ],
    ['SOMETHING_NEW', /cannot be verified \(SOMETHING_NEW\)/],
  ])('is refused for %s, and the message says what would accept it', (fault, message) => {
    const error = judge({ certificate, fault }, tlsSettings());
    expect(error).toMatchObject({ code: 'TLS_CERTIFICATE', fault: 'server', where: 'ftp.example.com' });
    expect(error?.message).toMatch(message);
  });

  it('with another key than the pinned one is refused, also if nothing is verified', () => {
    const pin = `sha256//${'B'.repeat(43)}=`;
    const error = judge({ certificate, fault: null }, tlsSettings({ pin, verify: false }));
    expect(error?.message).toMatch(/not the pinned one: it is for .*set TlsPin=sha256\/\/A+=$/);
  });

  it('without a certificate is refused', () => {
    expect(judge({ certificate: null, fault: 'x' }, tlsSettings())?.message).toMatch(/no certificate/);
  });
});

it.each([
  ['2026-12-31T00:00:00Z', 1],
  ['2026-12-31T12:00:00Z', 0],
  ['2027-01-02T00:00:00Z', -1],
])('at %s a certificate has %i days left', (now, days) => {
  expect(validityOf(certificate.validTo, new Date(now)).days).toBe(days);
});
