import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';

/** A parsed scrypt hash. */
export interface PasswordHash {
  readonly options: ScryptOptions;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** 32 MiB and about 80 ms for each attempt. */
const COST = { ln: 15, r: 8, p: 1 };
/** The largest cost of a hash that is accepted. */
const MOST = { ln: 20, r: 32, p: 16 };
const HASH_LENGTH = 32;
const FORM =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/**
 * Returns a new hash of a password, in the PHC string format:
 * `$scrypt$ln=15,r=8,p=1$<salt>$<hash>`.
 */
export async function hashPassword(password: Uint8Array): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password, salt, HASH_LENGTH, optionsOf(COST));
  const { ln, r, p } = COST;
  return `$scrypt$ln=${ln},r=${r},p=${p}$${base64(salt)}$${base64(hash)}`;
}

/** Parses a hash; null if it is not one, or needs more than a gibibyte. */
export function parsePasswordHash(text: string): PasswordHash | null {
  const [, ln, r, p, salt, hash] = FORM.exec(text) ?? [];
  if (salt === undefined || hash === undefined) return null;
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  const fits = (['ln', 'r', 'p'] as const).every((name) => cost[name] >= 1 && cost[name] <= MOST[name]);
  if (!fits || memoryOf(cost) > 2 ** 30) return null;
  return { options: optionsOf(cost), salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') };
}

/** Whether this is the password. The time does not depend on how much of it is right. */
export async function verifyPassword(
  password: Uint8Array,
  { options, salt, hash }: PasswordHash,
): Promise<boolean> {
  return timingSafeEqual(await derive(password, salt, hash.length, options), hash);
}

function derive(password: Uint8Array, salt: Buffer, length: number, options: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}

function optionsOf(cost: typeof COST): ScryptOptions {
  return { N: 2 ** cost.ln, r: cost.r, p: cost.p, maxmem: 2 * memoryOf(cost) };
}

function memoryOf({ ln, r, p }: typeof COST): number {
  return 128 * r * (2 ** ln + p);
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
