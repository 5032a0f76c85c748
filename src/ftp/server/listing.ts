import type { Access } from './access.ts';
import { type FactName, factsOf } from './facts.ts';
import { globMatcher } from './glob.ts';
import { NameCodec } from './names.ts';
import type { DirectoryEntry, FileFacts } from './store.ts';
import { writableTime } from './time.ts';

/** The style of a list. Plain data, so that an action can carry it. */
export interface ListingStyle {
  /** `long` is LIST, as `ls -l` prints it; `names` is NLST; `facts` is MLSD. */
  readonly format: 'long' | 'names' | 'facts';
  /** Whether names that begin with "." are listed. */
  readonly all: boolean;
  /** Only names that match this pattern; null for all. */
  readonly pattern: string | null;
  /**
   * Comes before each name, in the store's bytes, so that the lines of NLST are usable as names
   * (RFC 1123 4.1.2.7).
   */
  readonly prefix: string;
  /** Only these names; null for all. */
  readonly only: readonly string[] | null;
  readonly facts: readonly FactName[];
  readonly access: Access;
  /** The client's character set; null for UTF-8. */
  readonly charset: string | null;
  /** The time of the request, in milliseconds since 1970. */
  readonly now: number;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAY = 24 * 3600 * 1000;
const HALF_A_YEAR = 182 * DAY;

/** Writes directory entries in one style. */
export class Listing {
  readonly #style: ListingStyle;
  readonly #names: NameCodec;
  readonly #matches: (name: string) => boolean;
  readonly #only: ReadonlySet<string> | null;

  constructor(style: ListingStyle) {
    this.#style = style;
    this.#names = new NameCodec(style.charset);
    this.#matches = style.pattern === null ? () => true : globMatcher(style.pattern);
    this.#only = style.only === null ? null : new Set(style.only);
  }

  /** Whether the style lists an entry of this name. */
  lists(name: string): boolean {
    if (!this.#style.all && name.startsWith('.') && !this.#style.pattern?.startsWith('.')) return false;
    return this.#matches(name) && (this.#only === null || this.#only.has(name));
  }

  /** Returns the lines of the entries that are listed, one byte a character, without line ends. */
  lines(entries: readonly DirectoryEntry[]): string[] {
    return entries.filter(({ name }) => this.lists(name)).map((entry) => this.#line(entry));
  }

  /** Returns the bytes to send: each line ends with CRLF, whatever TYPE says (RFC 1123 4.1.2.7). */
  bytes(entries: readonly DirectoryEntry[]): Uint8Array {
    const text = this.lines(entries).map((line) => `${line}\r\n`);
    return Buffer.from(text.join(''), 'latin1');
  }

  #line({ name, facts }: DirectoryEntry): string {
    const { format, prefix, now, access, facts: selected } = this.#style;
    // These would end the line, or the name in a client's C library.
    const shown = this.#names.toClient(prefix + name).replace(/[\0\r\n]/g, '?');
    if (format === 'names') return shown;
    if (format === 'long') return `${longFacts(facts, now)} ${shown}`;
    return `${factsOf(facts, selected, access, this.#only !== null)} ${shown}`;
  }
}

/** Returns what `ls -l` prints before the name. Times are in UTC, as the other commands' are. */
function longFacts(facts: FileFacts, now: number): string {
  const owner = column(facts.owner, 'owner').padEnd(8);
  const group = column(facts.group, 'group').padEnd(8);
  const size = `${facts.size}`.padStart(12);
  return `${modeText(facts)}   1 ${owner} ${group} ${size} ${date(facts.modified ?? 0, now)}`;
}

const TYPE_LETTERS: Readonly<Record<FileFacts['type'], string>> = {
  file: '-',
  directory: 'd',
  link: 'l',
  other: 'p',
};

function modeText({ type, mode }: FileFacts): string {
  const bits = mode ?? (type === 'file' ? 0o644 : 0o755);
  const letter = (bit: number, set: string) => ((bits & bit) === 0 ? '-' : set);
  const triple = (shift: number, special: number, mark: string) => {
    const execute = (bits & (1 << shift)) !== 0;
    const marked = execute ? mark : mark.toUpperCase();
    const last = (bits & special) === 0 ? (execute ? 'x' : '-') : marked;
    return letter(4 << shift, 'r') + letter(2 << shift, 'w') + last;
  };
  return TYPE_LETTERS[type] + triple(6, 0o4000, 's') + triple(3, 0o2000, 's') + triple(0, 0o1000, 't');
}

/** Clients split the line at spaces. */
function column(text: string | null, unknown: string): string {
  return text === null || text === '' ? unknown : text.replace(/[^\x21-\x7e]/g, '_').slice(0, 32);
}

/**
 * Returns the date with the time of day for the last half year and the next day, otherwise with the
 * year.
 */
function date(modified: number, now: number): string {
  const time = new Date(writableTime(modified));
  const recent = modified > now - HALF_A_YEAR && modified < now + DAY;
  const last = recent ? time.toISOString().slice(11, 16) : ` ${time.getUTCFullYear()}`;
  return `${MONTHS[time.getUTCMonth()]} ${`${time.getUTCDate()}`.padStart(2)} ${last}`;
}
