import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { lines } from './docker.ts';
import { mustExec } from './exec.ts';
import type { Lab } from './lab.ts';
import { Program } from './program.ts';

/** What crossed a network of the lab while it was captured. */
export interface Captured {
  /**
   * Packets other than TCP port 22 between A and yourserver, one tcpdump line each, without
   * ARP, ICMPv6 and IPv6 multicast.
   */
  readonly outside: readonly string[];
  /** Bytes in the capture file: to tell a link that was seen from one that was not. */
  readonly bytes: number;
  /** Packets that the kernel could not hand to tcpdump; with any, "not found" means nothing. */
  readonly dropped: number;
  /** Which of these byte strings occur in the raw capture, packet headers included. */
  find(needles: readonly (string | Uint8Array)[]): Promise<Buffer[]>;
}

/** Where to record: a container with host A's programs and folders, and its interface. */
export interface Point {
  readonly container: string;
  readonly interface: string;
}

/**
 * A running tcpdump; by default on host A's only network, which holds all that leaves it or reaches
 * it.
 */
export class Capture {
  readonly #lab: Lab;
  readonly #container: string;
  readonly #file: string;
  readonly #tcpdump: Program;

  private constructor(lab: Lab, container: string, file: string, tcpdump: Program) {
    this.#lab = lab;
    this.#container = container;
    this.#file = file;
    this.#tcpdump = tcpdump;
  }

  /** Settles when packets are being recorded. `name` is the capture file's, unique in the run. */
  static async start(lab: Lab, name: string, point?: Point): Promise<Capture> {
    const file = `${name}.pcap`;
    const { container, interface: link } = point ?? { container: lab.hosts.a.container, interface: 'eth0' };
    const tcpdump = await Program.start(
      container,
      // Whole packets, 256 MiB of buffer, written at once and as root.
      ['tcpdump', '-i', link, '-n', '-s', '0', '-B', '262144', '-U', '-Z', 'root', '-w', `/lab/${file}`],
      { user: 'root' },
    );
    await tcpdump.waitFor(/listening on/);
    return new Capture(lab, container, file, tcpdump);
  }

  /** Ends the recording, once everything sent before is in it, and reads it. */
  async stop(): Promise<Captured> {
    await this.#sync();
    await this.#tcpdump.stop();
    const dropped = Number(/(\d+) packets? dropped by kernel/.exec(this.#tcpdump.stderr)?.[1] ?? Number.NaN);
    const { a, b } = this.#lab.hosts;
    const path = `/lab/${this.#file}`;
    const ssh = `(tcp port 22 and (host ${b.wire?.v4} or host ${b.wire?.v6}))`;
    const filter = `not ${ssh} and not (arp or icmp6 or ip6 multicast)`;
    const read = ['tcpdump', '-n', '-Z', 'root', '-r', path, filter];
    const outside = lines(await mustExec(a.container, read, { user: 'root', timeout: 120 }));
    const bytes = Number(await mustExec(a.container, ['stat', '-c', '%s', path]));
    return { outside, bytes, dropped, find: (needles) => search(this.#path, needles) };
  }

  get #path(): string {
    return join(this.#lab.scratch, this.#file);
  }

  /**
   * The kernel hands packets to tcpdump in blocks, up to a second late: sends one more and waits
   * until that is in the file.
   */
  async #sync(): Promise<void> {
    const marker = randomUUID();
    const send =
      'import socket, sys; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); ' +
      's.sendto(sys.argv[1].encode(), ("ff02::1%eth0", 9))';
    await mustExec(this.#container, ['python3', '-c', send, marker]);
    const deadline = Date.now() + 30_000;
    while (!(await lastBytes(this.#path, 1 << 20)).includes(marker)) {
      if (Date.now() > deadline) throw new Error(`tcpdump records nothing: ${this.#tcpdump.output}`);
      await delay(50);
    }
  }
}

/** Reads a file once and returns the needles that occur in it, even if they span two reads. */
async function search(path: string, needles: readonly (string | Uint8Array)[]): Promise<Buffer[]> {
  const wanted = new Set(needles.map((needle) => Buffer.from(needle)));
  const longest = Math.max(...[...wanted].map((needle) => needle.length));
  const found: Buffer[] = [];
  let tail = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 4 << 20 })) {
    const window = Buffer.concat([tail, chunk as Buffer]);
    for (const needle of wanted) {
      if (!window.includes(needle)) continue;
      found.push(needle);
      wanted.delete(needle);
    }
    tail = window.subarray(Math.max(0, window.length - longest + 1));
  }
  return found;
}

async function lastBytes(path: string, count: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read({
      buffer: Buffer.alloc(count),
      position: Math.max(0, size - count),
    });
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
