import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { installMissing } from '../../support/packages.ts';
import { docker, mustRun, run } from './docker.ts';
import { LabUnavailable } from './engine.ts';

const BASE = 'debian:bookworm-slim';
const DEFAULT_MIRROR = 'http://deb.debian.org/debian';

/** The lab's images, each a folder of `docker/`. */
export const IMAGES = ['client', 'yourserver', 'vsftpd', 'proftpd', 'pure-ftpd', 'pyftpdlib'] as const;
export type ImageName = (typeof IMAGES)[number];

/**
 * Builds the images whose folder or base has changed since they were last built here; tags are
 * content hashes.
 * @param folder the project's `docker/`
 */
export async function buildImages(
  folder: string,
  say: (line: string) => void,
): Promise<Record<ImageName, string>> {
  const base = await ensureBase(folder, say);
  const built = await Promise.all(
    IMAGES.map(async (name) => {
      return [name, await buildImage(folder, name, base, say)] as const;
    }),
  );
  return Object.fromEntries(built) as Record<ImageName, string>;
}

/**
 * Builds the image of more FTP clients on top of host A's, which few test runs need.
 * @param folder the project's `docker/`
 * @param client the tag of host A's image
 * @returns its tag
 */
export async function buildStrangers(
  folder: string,
  client: string,
  say: (line: string) => void,
): Promise<string> {
  return buildImage(folder, 'strangers', client, say, '--build-arg', `CLIENT=${client}`);
}

/**
 * Builds the image for logins that only OpenSSH supports, on top of host A's.
 * @param folder the project's `docker/`
 * @param client the tag of host A's image
 * @returns its tag
 */
export async function buildLogins(
  folder: string,
  client: string,
  say: (line: string) => void,
): Promise<string> {
  return buildImage(folder, 'logins', client, say, '--build-arg', `CLIENT=${client}`);
}

/**
 * Builds the image of SFTP servers other than OpenSSH's.
 * @param folder the project's `docker/`
 * @returns its tag
 */
export async function buildForeignSftp(folder: string, say: (line: string) => void): Promise<string> {
  return buildImage(folder, 'sftp', await ensureBase(folder, say), say);
}

/** Builds one folder of `docker/` if it or its base has changed. Returns the tag. */
async function buildImage(
  folder: string,
  name: string,
  base: string,
  say: (line: string) => void,
  ...flags: string[]
): Promise<string> {
  const context = join(folder, name);
  const tag = `sshferry-lab/${name}:${hashOf(context, base)}`;
  if ((await run(['docker', 'image', 'inspect', tag])).code !== 0) {
    say(`building ${tag}`);
    await docker(
      'build',
      ...['--network=host', '--label', 'sshferry.lab=image', ...flags, '--tag', tag, context],
    );
  }
  return tag;
}

/**
 * Builds the image of sshferry itself, or the stage of it that is named, out of the project as it
 * is now; docker knows what has changed. Gives its tag.
 */
export async function buildSshferry(project: string, stage?: 'node'): Promise<string> {
  const tag = `sshferry-lab/${stage ?? 'sshferry'}:latest`;
  const target = stage === undefined ? [] : ['--target', stage];
  const file = join(project, 'docker/Dockerfile');
  await docker(
    'build',
    ...['--network=host', '--build-arg', `EXTRA_CA=${ownAuthorities()}`],
    ...['--label', 'sshferry.lab=image', '--file', file, ...target, '--tag', tag, project],
  );
  return tag;
}

/**
 * Gives the base image's id; pulls it, or makes it out of Debian packages where no registry can be
 * reached.
 */
async function ensureBase(folder: string, say: (line: string) => void): Promise<string> {
  const inspect = ['docker', 'image', 'inspect', '--format', '{{.Id}}', BASE];
  const present = await run(inspect);
  if (present.code === 0) return present.stdout.trim();
  const pull = await run(['docker', 'pull', BASE]);
  if (pull.code !== 0) {
    if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
      throw new LabUnavailable(`${BASE} cannot be pulled: ${pull.stderr.trim()}`);
    }
    say(`${BASE} cannot be pulled here; making it with debootstrap`);
    await installMissing({ debootstrap: 'debootstrap' }, say);
    await mustRun([join(folder, 'make-base.sh'), debianMirror()]);
  }
  return mustRun(inspect);
}

/**
 * The certificates that this machine trusts besides the usual, as update-ca-certificates(8) has
 * them.
 */
function ownAuthorities(): string {
  const folder = '/usr/local/share/ca-certificates';
  if (!existsSync(folder)) return '';
  const files = readdirSync(folder).filter((name) => name.endsWith('.crt'));
  return files.map((name) => readFileSync(join(folder, name), 'utf8').trim()).join('\n');
}

/** The mirror that this machine's own apt uses for Debian itself. */
function debianMirror(): string {
  const folder = '/etc/apt/sources.list.d';
  const files = ['/etc/apt/sources.list'];
  if (existsSync(folder)) files.push(...readdirSync(folder).map((name) => join(folder, name)));
  for (const file of files) {
    if (!existsSync(file)) continue;
    const found = /^(?:deb|URIs:)\s.*?(https?:\/\/\S+\/debian)\/?(?:\s|$)/m.exec(readFileSync(file, 'utf8'));
    if (found?.[1] !== undefined) return found[1];
  }
  return DEFAULT_MIRROR;
}

function hashOf(folder: string, base: string): string {
  const hash = createHash('sha256').update(base);
  for (const name of readdirSync(folder).sort()) {
    hash.update(`\0${name}\0`).update(readFileSync(join(folder, name)));
  }
  return hash.digest('hex').slice(0, 16);
}
