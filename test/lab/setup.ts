import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestProject } from 'vitest/node';
import { mustRun } from './support/docker.ts';
import { type Engine, ensureEngine, LabUnavailable } from './support/engine.ts';
import { exec } from './support/exec.ts';
import { makePub } from './support/files.ts';
import { buildImages, type ImageName } from './support/images.ts';
import { createKeys } from './support/keys.ts';
import type { Lab } from './support/lab.ts';
import { createHosts, newRun, removeLeftovers, removeRun } from './support/topology.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
/** The node that runs sshferry in host A: this one, unless it cannot run there (on macOS, say). */
const NODE = process.env.SSHFERRY_LAB_NODE ?? process.execPath;

const CI = process.env.CI === 'true';
const say = (line: string) => process.stderr.write(`lab: ${line}\n`);

let engine: Engine | null = null;
let created: { run: string; folder: string }[] = [];

/** How many labs there are: as many test files run at a time, each in a lab of its own. */
const LABS = Math.min(2, availableParallelism());

/**
 * Builds sshferry and the lab. Without a lab the tests are skipped, loudly; with CI=true that is a
 * failure.
 */
export async function setup(project: TestProject): Promise<void> {
  try {
    project.provide('labs', await createLabs());
  } catch (error) {
    await teardown();
    if (!(error instanceof LabUnavailable) || CI) throw error;
    project.provide('labs', []);
    const banner = '!'.repeat(100);
    process.once('exit', () =>
      process.stderr.write(`\n${banner}\nThe lab tests were SKIPPED: ${error.message}\n${banner}\n`),
    );
  }
}

/** Removes all that setup created. */
export async function teardown(): Promise<void> {
  try {
    for (const { run, folder } of created) {
      await removeRun(run);
      rmSync(folder, { recursive: true, force: true });
    }
  } finally {
    created = [];
    await engine?.release();
    engine = null;
  }
}

async function createLabs(): Promise<Lab[]> {
  await build();
  engine = await ensureEngine(say);
  for (const name of await removeLeftovers()) say(`removed what ${name} had left`);
  const images = await buildImages(join(PROJECT, 'docker'), say);
  return await Promise.all(Array.from({ length: LABS }, () => createLab(images)));
}

/** Starts the containers of one lab, on networks of their own. */
async function createLab(images: Record<ImageName, string>): Promise<Lab> {
  const run = newRun();
  const folder = mkdtempSync(join(tmpdir(), `${run}-`));
  created.push({ run, folder });
  const pub = join(folder, 'pub');
  const scratch = join(folder, 'scratch');
  mkdirSync(pub);
  mkdirSync(scratch);
  chmodSync(folder, 0o755);
  chmodSync(scratch, 0o777);
  makePub(pub);
  // A copy: a build that is made meanwhile changes nothing for this run.
  const dist = join(folder, 'dist');
  cpSync(join(PROJECT, 'dist'), dist, { recursive: true });

  const hosts = await createHosts(run, images, { project: PROJECT, dist, node: NODE, pub, scratch });
  const node = await exec(hosts.a.container, ['node', '/app/dist/cli.js', '--version']);
  if (/exec format|not found|cannot execute/i.test(node.stderr)) {
    throw new LabUnavailable(
      `${NODE} does not run in host A (${node.stderr.trim()}); set SSHFERRY_LAB_NODE to a node for Linux`,
    );
  }
  await createKeys(hosts);
  return { folder, hosts, pub, scratch };
}

/**
 * The tests run what is in src/ now. A type error does not keep tsc from writing dist/, so by hand
 * it is only said.
 */
async function build(): Promise<void> {
  try {
    await mustRun(['npm', 'run', '--silent', 'build'], { cwd: PROJECT });
  } catch (error) {
    if (CI) throw error;
    say(error instanceof Error ? error.message : String(error));
  }
}
