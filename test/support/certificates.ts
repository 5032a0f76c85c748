import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, type TestContext } from 'vitest';

/** A certificate with its key, as PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

export interface IssueOptions {
  /** Names and addresses: the first is the common name too. */
  readonly names: readonly string[];
  /** Days from now at which it begins and ends to be valid. */
  readonly from?: number;
  readonly to?: number;
}

/** A certificate authority of a test. */
export interface Authority {
  /** PEM. */
  readonly cert: string;
  /** The path of the same. */
  readonly file: string;
  issue(options: IssueOptions): Promise<Issued>;
  /** Issues one that its own key has signed. */
  selfSigned(options: IssueOptions): Promise<Issued>;
}

const CONFIG = `
[ca]
default_ca = own
[own]
database = index
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
`;

/** Lets what is made in a suite's `beforeAll` go at the end of the suite. Call it in a `describe`. */
export function endOfSuite(): Pick<TestContext, 'onTestFinished'> {
  const undo: (() => unknown)[] = [];
  afterAll(async () => {
    for (const act of undo) await act();
  });
  return { onTestFinished: (act) => void undo.push(act as () => unknown) };
}

/** An authority of a suite, and a certificate by it for this machine. */
export interface SuiteAuthority {
  authority: Authority;
  issued: Issued;
}

/** Returns an authority and a certificate for localhost, which exist in the suite's tests. Call it in a `describe`. */
export function suiteAuthority(): SuiteAuthority {
  const suite = endOfSuite();
  const made = {} as SuiteAuthority;
  beforeAll(async () => {
    made.authority = await makeAuthority(suite);
    made.issued = await made.authority.issue({ names: ['localhost', '127.0.0.1'] });
  });
  return made;
}

/** Makes an authority with openssl(1) in a folder that goes with the test. */
export async function makeAuthority(test: Pick<TestContext, 'onTestFinished'>): Promise<Authority> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'sshferry-ca-'));
  test.onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = (name: string) => path.join(dir, name);
  const openssl = (...args: string[]) => promisify(execFile)('openssl', args, { cwd: dir });
  await Promise.all([
    writeFile(file('config'), CONFIG),
    writeFile(file('index'), ''),
    writeFile(file('serial'), '01\n'),
  ]);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '30',
    '-subj',
    '/CN=Test CA',
  );
  let count = 0;
  const issue = async ({ names, from = -1, to = 30 }: IssueOptions, own: boolean): Promise<Issued> => {
    const id = `leaf${count++}`;
    const san = names.map((name) => (/^[\d.:]+$/.test(name) ? `IP:${name}` : `DNS:${name}`)).join(',');
    const about = ['-subj', `/CN=${names[0]}`, '-addext', `subjectAltName=${san}`];
    await openssl('req', ...key, '-keyout', `${id}.key`, '-out', `${id}.csr`, '-config', 'config', ...about);
    const signer = own ? ['-selfsign', '-keyfile', `${id}.key`] : ['-keyfile', 'ca.key', '-cert', 'ca.pem'];
    const dates = ['-startdate', stamp(from), '-enddate', stamp(to)];
    await openssl(
      'ca',
      '-batch',
      '-config',
      'config',
      '-in',
      `${id}.csr`,
      '-out',
      `${id}.pem`,
      '-notext',
      ...signer,
      ...dates,
    );
    return {
      cert: await readFile(file(`${id}.pem`), 'utf8'),
      key: await readFile(file(`${id}.key`), 'utf8'),
    };
  };
  return {
    cert: await readFile(file('ca.pem'), 'utf8'),
    file: file('ca.pem'),
    issue: (options) => issue(options, false),
    selfSigned: (options) => issue(options, true),
  };
}

/** A time some days from now, in the form of ASN.1. */
function stamp(days: number): string {
  const time = new Date(Date.now() + days * 86_400_000).toISOString();
  return `${time.replace(/[-:T]/g, '').slice(0, 14)}Z`;
}
