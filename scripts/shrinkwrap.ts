/**
 * Writes npm-shrinkwrap.json into the package, so that npm installs the exact versions that were tested: package-lock.json without
 * the development dependencies. It is not in the repository, because npm would use it there instead of the lock.
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
