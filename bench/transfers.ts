import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type FilePeer, type FtpPeer, isPop3sPeer, type Peer } from './peers.ts';
import type { Place } from './place.ts';
import { run } from './programs.ts';
import type { Work } from './rows.ts';

/**
 * Runs the work once through `peer`, with `source`, a file on the server, and returns the seconds.
 * Rejects if the received data differ from the sent data: in length, and with `compare` in their
 * bytes.
 */
export async function carryOut(
  place: Place,
  peer: Peer,
  work: Work,
  source: string,
  compare: boolean,
): Promise<number> {
  if (isPop3sPeer(peer)) throw new Error(`${peer} carries no files`);
  const { direction, files } = work;
  const { size } = await stat(source);
  const directory = direction === 'STOR' ? place.files : place.spare;
  const kept = Array.from({ length: files }, (_, i) => path.join(directory, `${peer}-${i}`));
  const keep = compare || direction === 'STOR';
  const carry = isFilePeer(peer) ? CARRIERS[peer] : byCurl(peer);
  const commands = await carry(place, work, source, kept, keep);

  const started = performance.now();
  const said = await Promise.all(commands.map(({ program, argv }) => run(program, argv)));
  const seconds = (performance.now() - started) / 1000;

  const wrong = (what: string) => new Error(`${direction} by way of ${peer}: ${what}`);
  if (direction === 'RETR' && !isFilePeer(peer)) {
    const sizes = said.join('').trim().split('\n').map(Number);
    if (sizes.length !== files || sizes.some((got) => got !== size)) {
      throw wrong(`got ${sizes.join(' ')} bytes, not ${size}`);
    }
  }
  if (!keep) {
    for (const file of kept) await rm(file, { force: true });
    return seconds;
  }
  const expected = compare ? await digest(source) : null;
  for (const file of kept) {
    const got = (await stat(file)).size;
    if (got !== size) throw wrong(`${got} of ${size} bytes arrived`);
    if (expected !== null && (await digest(file)) !== expected) throw wrong('other bytes arrived');
    await rm(file);
  }
  return seconds;
}

type Carrier = (
  place: Place,
  work: Work,
  source: string,
  kept: readonly string[],
  keep: boolean,
) => Promise<{ program: string; argv: readonly string[] }[]>;

const byCurl =
  (peer: FtpPeer): Carrier =>
  async (place, { direction, at }, source, kept, keep) => {
    const { base, argv } = place.route(peer);
    const transfers = kept.map((file) => {
      if (direction === 'STOR') return ['-T', source, base + path.basename(file)];
      return ['-o', keep ? file : '/dev/null', base + path.basename(source)];
    });
    const always = ['-sS', '-w', '%{size_download}\\n', ...argv];
    const clients = at === 'at once' ? transfers : [transfers.flat()];
    return clients.map((own) => ({ program: 'curl', argv: [...always, ...own] }));
  };

/** One client, which transfers the files in turn. */
const bySftp =
  (peer: 'sftp' | 'sftp-gcm'): Carrier =>
  async (place, { direction }, source, kept, keep) => {
    const batch = place.file('sftp-batch');
    const commands = kept.map((file) =>
      direction === 'STOR' ? `put ${source} ${file}` : `get ${source} ${keep ? file : '/dev/null'}`,
    );
    await writeFile(batch, `${commands.join('\n')}\n`);
    return [{ program: 'sftp', argv: place.sftp(peer, batch) }];
  };

/** A client for each file. */
const byScp: Carrier = async (place, { direction }, source, kept, keep) => {
  const { argv, there } = place.scp();
  return kept.map((file) => {
    const files = direction === 'STOR' ? [source, there(file)] : [there(source), keep ? file : '/dev/null'];
    return { program: 'scp', argv: [...argv, ...files] };
  });
};

/** A client for each file; a download is written to a file, in several streams if rclone likes. */
const byRclone: Carrier = async (place, { direction }, source, kept) =>
  kept.map((file) => {
    const files = direction === 'STOR' ? [source, `:sftp:${file}`] : [`:sftp:${source}`, file];
    return { program: 'rclone', argv: ['copyto', ...place.rclone, ...files] };
  });

const CARRIERS: Readonly<Record<FilePeer, Carrier>> = {
  sftp: bySftp('sftp'),
  'sftp-gcm': bySftp('sftp-gcm'),
  'scp-gcm': byScp,
  'rclone-gcm': byRclone,
};

function isFilePeer(peer: Peer): peer is FilePeer {
  return peer in CARRIERS;
}

/** SHA-256 of a file. */
export async function digest(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk);
  return hash.digest('hex');
}
