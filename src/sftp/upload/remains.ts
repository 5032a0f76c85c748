import { setTimeout as delay } from 'node:timers/promises';
import { Extension, OpenFlag, StatusCode } from '../codec/protocol.ts';
import { SftpError, SftpSessionError } from '../errors.ts';
import type { SftpSession } from '../session/session.ts';
import type { Halted } from './file-writer.ts';
import { copy, type PublishContext, publish } from './publish.ts';
import { temporaryName } from './temporary-name.ts';
import type { UploadTarget } from './upload-target.ts';

/** How often a file is cut, and checked after a pause, that a server may still write to. */
const CUTS = 5;

/**
 * What an interrupted upload has left. `kept`: its name leads to the first `bytes` bytes. `unchanged`: its
 * name leads to what it led to before, if anything. `removed`: the file was written to directly, and is gone.
 */
export type Remains =
  | { readonly state: 'kept'; readonly bytes: number }
  | { readonly state: 'unchanged' }
  | { readonly state: 'removed' };

/** An upload that was stopped, as far as its remains depend on it. */
export interface Interrupted {
  readonly target: UploadTarget;
  readonly halted: Halted;
  readonly keepPartial: boolean;
  /** How long to wait for late WRITEs between cutting a file and checking it, in milliseconds. */
  readonly pause: number;
}

/**
 * Leaves of an interrupted upload what is to be left, in `session`. Under the upload's name there is never
 * more than the bytes that are acknowledged without a gap.
 */
export async function settle(
  session: SftpSession,
  upload: Interrupted,
  context: PublishContext,
): Promise<Remains> {
  const { target, halted, keepPartial } = upload;
  if (target.temporary) {
    if (keepPartial && halted.trusted && halted.contiguous > 0) return keep(session, upload, context);
    await discard(session, upload);
    return { state: 'unchanged' };
  }
  // What others appended meanwhile is not to be cut off.
  if (target.append) return { state: 'kept', bytes: halted.contiguous };
  if (!target.extends && !(keepPartial && halted.trusted)) {
    await discard(session, upload);
    return { state: 'removed' };
  }
  const bytes = keepPartial ? halted.contiguous : target.offset;
  // A single channel has written in order: where the file cannot be cut, it is longer, but has no gap.
  await cut(session, upload, bytes).catch(unlessRefused);
  return { state: 'kept', bytes };
}

async function keep(session: SftpSession, upload: Interrupted, context: PublishContext): Promise<Remains> {
  const { target, halted } = upload;
  const size = halted.contiguous;
  try {
    const from = await cutTemporary(session, upload, context);
    await publish(session, { from, to: target.final, size, replaces: target.replaces }, context);
    return { state: 'kept', bytes: size };
  } catch (error) {
    if (!(error instanceof SftpError)) throw error;
    // The last attempt may have succeeded without an answer.
    if (error.status === StatusCode.NO_SUCH_FILE && (await sizeOf(session, target.final)) === size)
      return { state: 'kept', bytes: size };
    await discard(session, upload);
    return { state: 'unchanged' };
  }
}

/**
 * Cuts the temporary file to what is contiguous; returns its name, which is another one if the server may
 * still carry out WRITEs of a session that is lost. A copy is out of their reach: cutting the file itself
 * would let them leave a hole in it afterwards.
 */
async function cutTemporary(
  session: SftpSession,
  upload: Interrupted,
  context: PublishContext,
): Promise<Buffer> {
  const { target, halted } = upload;
  const size = halted.contiguous;
  if (!halted.unanswered || !session.supports(Extension.COPY_DATA)) {
    await cut(session, upload, size);
    return target.path;
  }
  const path = temporaryName(target.final);
  try {
    const flags = OpenFlag.WRITE | OpenFlag.CREAT | OpenFlag.EXCL;
    await copy(session, target.path, path, size, flags, context.sessions);
  } catch (error) {
    if (error instanceof SftpSessionError) throw error;
    // Such as for lack of space.
    await session.remove(path).catch(unlessRefused);
    await cut(session, upload, size);
    return target.path;
  }
  if (Object.keys(target.attributes).length > 0)
    await session.setstat(path, target.attributes).catch(unlessRefused);
  await session.remove(target.path).catch(unlessRefused);
  return path;
}

async function cut(
  session: SftpSession,
  { target, halted, pause }: Interrupted,
  size: number,
): Promise<void> {
  if (halted.open && session === target.lease.session) {
    await session.fsetstat(target.handle, { size, ...target.attributes });
    await session.closeHandle(target.handle);
  } else await session.setstat(target.path, { size, ...target.attributes });
  for (let i = 0; halted.unanswered && i < CUTS; i++) {
    await delay(pause);
    if ((await session.stat(target.path)).size === size) return;
    await session.setstat(target.path, { size });
  }
}

async function discard(session: SftpSession, { target, halted }: Interrupted): Promise<void> {
  if (halted.open && session === target.lease.session) session.closeHandle(target.handle).catch(() => {});
  await session.remove(target.path).catch(unlessRefused);
}

async function sizeOf(session: SftpSession, path: Buffer): Promise<number | undefined> {
  const attributes = await session.stat(path).catch(unlessRefused);
  return attributes?.size;
}

function unlessRefused(error: unknown): void {
  if (!(error instanceof SftpError)) throw error;
}
