import { inTime } from '../../within.ts';
import {
  BaseAgent,
  type IdentityCallback,
  type ParsedKey,
  type SignCallback,
  type SigningRequestOptions,
} from '../ssh2/library.ts';

/**
 * How long an agent or a security token may take to sign, in milliseconds: it may wait for a person,
 * for a touch or a confirmation.
 */
export const SIGN_WITHIN = 120_000;

/** Signs `data`; `hash` is set for RSA keys (`sha256`, `sha512`). */
export type Sign = (data: Buffer, options: SigningRequestOptions) => Promise<Buffer>;

/**
 * An agent with one key. Lets ssh2 try one key at a time, in our order, and sign asynchronously (by
 * a real agent, or after a passphrase prompt) only after the server has accepted the key.
 */
export class KeyAgent extends BaseAgent<ParsedKey> {
  readonly #publicKey: ParsedKey;
  readonly #sign: Sign;

  constructor(publicKey: ParsedKey, sign: Sign) {
    super();
    this.#publicKey = publicKey;
    this.#sign = sign;
  }

  override getIdentities(done: IdentityCallback<ParsedKey>): void {
    done(null, [this.#publicKey]);
  }

  override sign(
    _key: ParsedKey,
    data: Buffer,
    options: SigningRequestOptions | SignCallback,
    callback?: SignCallback,
  ): void {
    const done = typeof options === 'function' ? options : callback;
    this.#sign(data, typeof options === 'function' ? {} : options).then(
      (signature) => done?.(null, signature),
      (error) => done?.(error instanceof Error ? error : new Error(String(error))),
    );
  }
}

/** Returns a Sign that uses a real agent. It rejects if the agent takes too long. */
export function signByAgent(agent: BaseAgent, key: ParsedKey): Sign {
  const sign: Sign = (data, options) =>
    new Promise((resolve, reject) => {
      agent.sign(key, data, options, (error, signature) => {
        if (signature) resolve(signature);
        else reject(error ?? new Error('the agent refused to sign'));
      });
    });
  return async (data, options) => {
    const late = new Error(`the agent did not sign within ${SIGN_WITHIN / 1000} s`);
    const signed = await inTime(() => sign(data, options), { ms: SIGN_WITHIN, reason: late });
    if (signed === null) throw late;
    return signed.value;
  };
}

/** Signs by ssh2's ParsedKey.sign, which returns its error instead of throwing it. */
export function signByKey(key: ParsedKey, data: Buffer, { hash }: SigningRequestOptions): Buffer {
  const signature: Buffer | Error = key.sign(data, hash);
  if (signature instanceof Error) throw signature;
  return signature;
}
