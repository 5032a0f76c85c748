import { GatewayError } from '../../errors.ts';
import type { StrictHostKeyChecking } from '../options.ts';
import type { Settings } from './file.ts';

/** Reads settings by type. For a repeated key, the first counts. Throws `CONFIG_INVALID`. */
export class SettingsReader {
  readonly #values = new Map<string, (readonly string[])[]>();

  constructor(settings: Settings) {
    for (const [key, ...args] of settings) {
      const values = this.#values.get(key);
      if (values) values.push(args);
      else this.#values.set(key, [args]);
    }
  }

  /** Returns the values of a key that may be repeated. */
  all(key: string): string[] {
    return (this.#values.get(key.toLowerCase()) ?? []).map((args) => args.join(' '));
  }

  /** Returns the value; null if it is absent. */
  text(key: string): string | null {
    return this.all(key)[0] ?? null;
  }

  /** Like `text`, but null for `none`. */
  optional(key: string): string | null {
    const value = this.text(key);
    return value === null || value.toLowerCase() === 'none' || value === '' ? null : value;
  }

  /**
   * Returns the arguments of a key that can have several: an empty list for `none`, null if it is
   * absent.
   */
  list(key: string): readonly string[] | null {
    const args = this.#values.get(key.toLowerCase())?.[0];
    return args?.length === 1 && args[0]?.toLowerCase() === 'none' ? [] : (args ?? null);
  }

  flag(key: string, otherwise: boolean, alsoYes: readonly string[] = []): boolean {
    const value = this.text(key)?.toLowerCase();
    if (value === undefined) return otherwise;
    if (value === 'yes' || value === 'true' || alsoYes.includes(value)) return true;
    if (value === 'no' || value === 'false') return false;
    return invalid(key, value, 'yes or no');
  }

  integer(key: string, otherwise: number, min: number, max: number): number {
    const value = this.optional(key);
    if (value === null) return otherwise;
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max)
      invalid(key, value, `a number from ${min} to ${max}`);
    return number;
  }

  /** Returns a number that is written in octal, such as a mask of permissions. */
  octal(key: string, otherwise: number): number {
    const value = this.optional(key);
    if (value === null) return otherwise;
    if (!/^0?[0-7]{1,3}$/.test(value)) invalid(key, value, 'an octal number such as 0177');
    return Number.parseInt(value, 8);
  }

  /** Returns seconds, of `90`, `2m` or `1h30m` (TIME FORMATS in sshd_config(5)). */
  seconds(key: string, otherwise: number): number {
    const value = this.optional(key);
    if (value === null) return otherwise;
    if (!/^(\d+[smhdw]?)+$/i.test(value)) invalid(key, value, 'a time such as 30 or 2m');
    let total = 0;
    for (const [, count, unit] of value.matchAll(/(\d+)([smhdw]?)/gi)) {
      total += Number(count) * (UNITS[(unit ?? '').toLowerCase()] ?? 1);
    }
    return total;
  }

  choice<T>(key: string, otherwise: T, choices: Readonly<Record<string, T>>): T {
    const value = this.text(key)?.toLowerCase();
    if (value === undefined) return otherwise;
    const choice = choices[value];
    return choice === undefined ? invalid(key, value, `one of ${Object.keys(choices).join(', ')}`) : choice;
  }
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** All spellings of StrictHostKeyChecking, including those that `ssh -G` prints. */
export const STRICT: Readonly<Record<string, StrictHostKeyChecking>> = {
  yes: 'yes',
  true: 'yes',
  ask: 'ask',
  'accept-new': 'accept-new',
  no: 'no',
  false: 'no',
  off: 'no',
};

function invalid(key: string, value: string, wanted: string): never {
  throw new GatewayError('CONFIG_INVALID', `${key} ${value}: it should be ${wanted}`);
}
