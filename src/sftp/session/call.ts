import type { Answer, NameEntry } from '../codec/answers.ts';
import type { FieldReader } from '../codec/field-reader.ts';
import { StatusCode } from '../codec/protocol.ts';
import type { Request } from '../codec/requests.ts';
import { SftpError, type SftpSessionError, SftpTransferError } from '../errors.ts';
import type { RequestPipeline } from './pipeline.ts';

/** The longest path, in bytes, that is sent: PATH_MAX of Linux. */
const LONGEST_PATH = 4096;

export interface CallOptions {
  /**
   * Rejects the call with the signal's reason. The server still carries out a request that was
   * sent: its answer is dropped, and a handle that it returns is closed.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Takes the value out of an answer; null if it is no answer to the request. */
export type Pick<T> = (answer: Answer) => { readonly value: T } | null;

interface Terms<T> extends CallOptions {
  /** How long the server may be silent meanwhile, if not as usual, in milliseconds. */
  readonly patience?: number | undefined;
  /** Gets the value of an answer that comes after the call was given up. */
  readonly late?: ((value: T) => void) | undefined;
}

/** Sends the request that `make` returns; resolves to what `pick` takes out of its answer. */
export function call<T>(
  pipeline: RequestPipeline,
  make: () => Request,
  pick: Pick<T>,
  { signal, patience, late }: Terms<T> = {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const request = make();
    let waits = true;
    let withdraw = () => false;
    const onAbort = () => {
      withdraw();
      settle(() => reject(signal?.reason));
    };
    const settle = (outcome: () => void) => {
      signal?.removeEventListener('abort', onAbort);
      if (waits) outcome();
      waits = false;
    };
    const answered = (answer: Answer) => {
      const picked = pick(answer);
      if (picked !== null && waits) settle(() => resolve(picked.value));
      else if (picked !== null) late?.(picked.value);
      else if (answer.kind === 'status' && answer.code !== StatusCode.OK)
        settle(() => reject(new SftpError(request.name, answer.code, answer.words)));
      else return `a wrong answer (${answer.kind})`;
      return null;
    };
    const failed = (error: SftpSessionError) => settle(() => reject(error));
    signal?.addEventListener('abort', onAbort, { once: true });
    withdraw = pipeline.send(request, { answered, failed }, patience);
  });
}

/** Returns `path`; throws if the server could not be given it, or would take it for another. */
export function checked(path: Buffer): Buffer {
  if (path.includes(0)) throw new SftpTransferError('bad-name', 'a name cannot contain a NUL byte');
  if (path.length <= LONGEST_PATH) return path;
  throw new SftpTransferError('bad-name', `a path of ${path.length} bytes is too long`);
}

/** Each takes its part out of an answer. */
export const pick = {
  done: (answer: Answer) =>
    answer.kind === 'status' && answer.code === StatusCode.OK ? { value: undefined } : null,
  handle: (answer: Answer) => (answer.kind === 'handle' ? { value: answer.handle } : null),
  attributes: (answer: Answer) => (answer.kind === 'attrs' ? { value: answer.attributes } : null),
  /** REALPATH and READLINK: one name. */
  name(answer: Answer): { value: Buffer } | null {
    const entry = answer.kind === 'name' ? answer.entries[0] : undefined;
    return entry === undefined ? null : { value: entry.name };
  },
  /** READDIR: null at the end. */
  entries(answer: Answer): { value: readonly NameEntry[] | null } | null {
    if (answer.kind === 'name') return { value: answer.entries };
    return answer.kind === 'status' && answer.code === StatusCode.EOF ? { value: null } : null;
  },
  /** An extension's own reply. */
  reply:
    <T>(read: (fields: FieldReader) => T) =>
    (answer: Answer) => {
      if (answer.kind !== 'extended') return null;
      const value = read(answer.fields);
      return answer.fields.fault === null ? { value } : null;
    },
};
