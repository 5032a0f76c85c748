import { GatewayError } from '../../errors.ts';
import { didYouMean } from '../../text/suggest.ts';
import { canonicalKey, knownNames } from './keys.ts';
import { argumentsOf, splitLine } from './line.ts';
import { localUser } from './local-user.ts';
import { matchesPattern, matchesPatternList } from './patterns.ts';

/**
 * A setting: its key in lower case, and its arguments, or the whole value if the source does not
 * separate them.
 */
export type Setting = readonly [key: string, ...args: string[]];

/** Settings in order. The first counts for a key that can have one value. */
export type Settings = Setting[];

/** Like READCONF_MAX_DEPTH in OpenSSH's readconf.c. */
const MAX_DEPTH = 16;

/** How a file is read. */
export interface Origin {
  /** Whether relative names in it are in ~/.ssh, else in /etc/ssh. */
  readonly user: boolean;
  /** Whether to refuse it if other users can write to it. True for default files. */
  readonly checked: boolean;
  /** Whether the file must exist. */
  readonly named: boolean;
}

/** Whether the lines of a file apply, and whether none of them can. */
interface State {
  applies: boolean;
  readonly never: boolean;
  readonly depth: number;
}

/** The files that the reader reads. */
export interface ConfigFiles {
  /** Returns a file's text; empty if it is optional and missing. Rejects with `CONFIG_INVALID`. */
  text(file: string, origin: Origin): Promise<string>;
  /** Returns the files that match a pattern of Include, in order. */
  matching(pattern: string, origin: Origin): Promise<string[]>;
}

/**
 * Reads ssh_config(5) if OpenSSH's client is not installed. Supports its keywords, quotes and
 * comments, `Host`, `Include`, and `Match` by host, originalhost, user and localuser. Any other
 * `Match` never applies, and causes a note.
 */
export class SshConfigReader {
  readonly notes: string[] = [];
  /** Earlier settings take precedence over those that are read. */
  readonly settings: Settings;
  readonly #host: string;
  readonly #files: ConfigFiles;
  readonly #mistakes: string[] = [];
  readonly #ignored: string[] = [];

  constructor(host: string, given: Settings, files: ConfigFiles) {
    this.#host = host;
    this.#files = files;
    this.settings = [...given];
  }

  /**
   * Reads the next file. Rejects with `CONFIG_INVALID`: all errors in it, or why it cannot be read.
   */
  async read(file: string, origin: Origin): Promise<void> {
    await this.#read(file, origin, { applies: true, never: false, depth: 0 });
    if (this.#mistakes.length > 0) throw new GatewayError('CONFIG_INVALID', this.#mistakes.join('; '));
  }

  async #read(file: string, origin: Origin, state: State): Promise<void> {
    if (state.depth > MAX_DEPTH)
      throw new GatewayError('CONFIG_INVALID', 'too many nested Includes', { where: file });
    const text = await this.#files.text(file, origin);
    for (const [index, raw] of text.split('\n').entries()) {
      const line = splitLine(raw);
      if (line === null) continue;
      try {
        const key = line.keyword.toLowerCase();
        switch (key) {
          case 'host':
            state.applies = this.#hostMatches(argumentsOf(line)) && !state.never;
            break;
          case 'match':
            state.applies = this.#matches(argumentsOf(line), `${file}:${index + 1}`) && !state.never;
            break;
          case 'include':
            for (const pattern of argumentsOf(line)) await this.#include(pattern, origin, state);
            break;
          default:
            this.#take(line.keyword, argumentsOf(line), state.applies);
        }
      } catch (error) {
        if (error instanceof GatewayError || !(error instanceof Error)) throw error;
        this.#mistakes.push(`${file}:${index + 1}: ${line.keyword}: ${error.message}`);
      }
    }
  }

  /** Host and Match in an included file apply to the rest of that file only. */
  async #include(pattern: string, origin: Origin, { applies, depth }: State): Promise<void> {
    if (pattern === '') throw new Error('a value is empty');
    for (const file of await this.#files.matching(pattern, origin)) {
      const inner = { applies, never: !applies, depth: depth + 1 };
      await this.#read(file, { ...origin, checked: true, named: false }, inner);
    }
  }

  #take(keyword: string, args: readonly string[], applies: boolean): void {
    const name = canonicalKey(keyword);
    if (name === null) {
      if (this.#ignored.some((list) => matchesPatternList(list.toLowerCase(), keyword.toLowerCase()))) return;
      throw new Error(`there is no such option${didYouMean(keyword, knownNames())}`);
    }
    if (!applies) return;
    if (name === 'IgnoreUnknown') this.#ignored.push(args[0] ?? '');
    this.settings.push([name.toLowerCase(), ...args]);
  }

  /** Each argument is one pattern. A negated pattern that matches overrides all others. */
  #hostMatches(patterns: readonly string[]): boolean {
    let matched = false;
    for (const each of patterns) {
      const negated = each.startsWith('!');
      if (!matchesPattern(negated ? each.slice(1) : each, this.#host)) continue;
      if (negated) return false;
      matched = true;
    }
    return matched;
  }

  #matches(args: readonly string[], where: string): boolean {
    const words = args.flatMap((word) => word.split(/=(.*)/s, 2).filter((part) => part !== ''));
    if (words[0]?.toLowerCase() === 'all') {
      if (words.length > 1) throw new Error('all must stand alone');
      return true;
    }
    let matched = true;
    for (let at = 0; at < words.length; at += 1) {
      const word = (words[at] ?? '').toLowerCase();
      const negated = word.startsWith('!');
      const criterion = negated ? word.slice(1) : word;
      const value = this.#valueOf(criterion);
      if (value === undefined) {
        this.notes.push(
          `${where}: Match ${criterion} never applies: it needs OpenSSH's client, which is not installed`,
        );
        return false;
      }
      at += 1;
      const patterns = words[at];
      if (patterns === undefined) throw new Error(`${criterion} has no value`);
      if (matchesPatternList(patterns, value) === negated) matched = false;
    }
    return matched;
  }

  /**
   * Returns the value that a criterion of Match compares; undefined if only OpenSSH can decide it.
   */
  #valueOf(criterion: string): string | undefined {
    switch (criterion) {
      case 'host':
        return this.#hostName().toLowerCase();
      case 'originalhost':
        return this.#host.toLowerCase();
      case 'user':
        return this.#first('user') ?? localUser().name;
      case 'localuser':
        return localUser().name;
      case 'exec':
      case 'canonical':
      case 'final':
      case 'localnetwork':
      case 'tagged':
      case 'command':
      case 'version':
      case 'sessiontype':
        return undefined;
      default:
        throw new Error(`unknown criterion ${criterion}`);
    }
  }

  #hostName(): string {
    return (this.#first('hostname') ?? this.#host).replace(/%([%h])/g, (_, letter) =>
      letter === 'h' ? this.#host : '%',
    );
  }

  #first(key: string): string | undefined {
    return this.settings.find(([name]) => name === key)?.[1];
  }
}

/** Parses one `-o` option as a line of ssh_config. Throws `CONFIG_INVALID`. */
export function readOption(key: string, value: string): Setting {
  try {
    const args = argumentsOf({ keyword: key, rest: value.trim() });
    return [(canonicalKey(key) ?? key).toLowerCase(), ...args];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new GatewayError('CONFIG_INVALID', `-o ${key}: ${why}`);
  }
}
