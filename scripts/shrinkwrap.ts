/**
 * Writes npm-shrinkwrap.json, which goes into the package, so that it is installed with the very versions that were tested: what
 * package-lock.json says, without the packages of development. Not kept in the repository, where npm would take it for the lock.
 */
import { readFileSync, writeFileSync } from 'node:fs';

interface Locked {
  readonly dev?: boolean;
  readonly devDependencies?: unknown;
}

interface Lock {
  readonly packages: Readonly<Record<string, Locked>>;
}

const lock: Lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const packages = Object.entries(lock.packages)
  .filter(([, { dev }]) => !dev)
  .map(([name, { devDependencies: _, ...locked }]) => [name, locked]);
const shrinkwrap = { ...lock, packages: Object.fromEntries(packages) };
writeFileSync('npm-shrinkwrap.json', `${JSON.stringify(shrinkwrap, null, 2)}\n`);
