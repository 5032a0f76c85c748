import { setTimeout as delay } from 'node:timers/promises';
import type { Attributes } from '../codec/attributes.ts';
import { Extension, OpenFlag } from '../codec/protocol.ts';
import { isMissing, unlessRefused } from '../errors.ts';
import type { Remarks } from '../remarks.ts';
import type { SftpSession } from '../session/session.ts';
import type { Halted } from './file-writer.ts';
import { copy, type PublishContext, publish } from './publish.ts';
import { temporaryName } from './temporary-name.ts';
import type { UploadTarget } from './upload-target.ts';

/**
 * How often a file is cut, or its size compared after a pause, that a server may still write to.
 */
const CUTS = 5;

/**
 * The remains of an interrupted upload. `kept`: its name leads to the first `bytes` bytes.
 * `unchanged`: its name leads to what it led to before, if anything. `removed`: the file was
 * written to directly, and is gone.
 */
export type Remains =
  | { readonly state: 'kept'; readonly bytes: number }
  | { readonly state: 'unchanged' }
  | { readonly state: 'removed' };

/**
 * An upload that was stopped, and how far its remains are settled: an attempt goes on where the
 * last one was lost.
 */
export interface Interrupted {
  readonly target: UploadTarget;
  readonly keepPartial: boolean;
  /** Whether another upload has the name by now: a file written in place stays as it is. */
  readonly yields: boolean;
  /** How long to wait for late WRITEs between cutting a file and checking it, in milliseconds. */
  readonly pause: number;
  /** Every byte before this offset is acknowledged. */
  readonly contiguous: number;
  /** Whether what was acknowledged is in the file. */
  readonly trusted: boolean;
  /** Where the bytes are; another name than the target's once they were copied. */
  path: Buffer;
  /** Whether the server may carry out further WRITEs to `path`. */
  unanswered: boolean;
  /** Whether the target's handle is open. */
  open: boolean;
  /** Files that are not needed, and may exist. */
  readonly leftovers: Buffer[];
}

/** Returns what there is to settle of an upload that was stopped. */
export function interrupted(
  target: UploadTarget,
  halted: Halted,
  { keepPartial, pause, yields }: { keepPartial: boolean; pause: number; yields: boolean },
): Interrupted {
  const { contiguous, trusted, unanswered, open } = halted;
  const { path } = target;
  return { target, keepPartial, yields, pause, contiguous, trusted, path, unanswered, open, leftovers: [] };
}

/**
 * Leaves of an interrupted upload what is to be left, in `session`. Under the upload's name there
 * is never more than the bytes that are acknowledged without a gap. To be called again if the
 * session is lost.
 */
export async function settle(
  session: SftpSession,
  upload: Interrupted,
  context: PublishContext,
): Promise<Remains> {
  const { target, keepPartial, contiguous, trusted } = upload;
  await clear(session, upload);
  if (target.temporary) {
    if (keepPartial && trusted && contiguous > 0) return keep(session, upload, context);
    await discard(session, upload);
    return { state: 'unchanged' };
  }
  if (upload.yields) {
    await close(session, upload);
    return { state: 'unchanged' };
  }
  // Bytes that another client appended meanwhile must stay.
  if (target.append) {
    await close(session, upload);
    // A client that goes on appends after whatever is there.
    await quiet(session, upload);
    return { state: 'kept', bytes: contiguous };
  }
  if (!target.extends && !(keepPartial && trusted)) {
    await discard(session, upload);
    return { state: 'removed' };
  }
  const bytes = keepPartial ? contiguous : target.offset;
  // Cut too early, a late WRITE would leave a hole, seen under the name until the next cut.
  await quiet(session, upload);
  // A single channel has written in order: where the file cannot be cut, it is longer, but has no
  // gap.
  await cut(session, upload, bytes).catch(unlessRefused);
  return { state: 'kept', bytes };
}

/** Gives up an interrupted upload whose path leads elsewhere now. The file stays where it is. */
export async function leave(upload: Interrupted, remarks: Remarks): Promise<Remains> {
  const { session } = upload.target.lease;
  if (session.error === null) await close(session, upload);
  remarks.make('leftover', `${upload.path} was not removed: its folder was renamed during the upload`);
  return { state: 'unchanged' };
}

async function keep(session: SftpSession, upload: Interrupted, context: PublishContext): Promise<Remains> {
  const { target, contiguous: size } = upload;
  const { final: to, replaces } = target;
  try {
    await cutTemporary(session, upload, context);
    await publish(session, { from: upload.path, to, size, replaces }, context);
    return { state: 'kept', bytes: size };
  } catch (error) {
    unlessRefused(error);
    // The last attempt may have succeeded without an answer.
    if (isMissing(error) && (await sizeOf(session, to)) === size) return { state: 'kept', bytes: size };
    await discard(session, upload);
    return { state: 'unchanged' };
  }
}

/**
 * Cuts the temporary file to what is contiguous. If the server may still carry out WRITEs of a
 * session that is lost, the bytes are copied to another file, out of their reach: cutting the file
 * itself would let them leave a hole in it afterwards.
 */
async function cutTemporary(
  session: SftpSession,
  upload: Interrupted,
  context: PublishContext,
): Promise<void> {
  const { target, contiguous: size, leftovers } = upload;
  if (!upload.unanswered || !session.supports(Extension.COPY_DATA)) return cut(session, upload, size);
  const path = temporaryName(target.final);
  leftovers.push(path);
  try {
    const flags = OpenFlag.WRITE | OpenFlag.CREAT | OpenFlag.EXCL;
    await copy(session, upload.path, path, size, flags, context.sessions);
    await setAttributes(session, path, target.attributes);
  } catch (error) {
    // Such as for lack of space.
    unlessRefused(error);
    await clear(session, upload);
    return cut(session, upload, size);
  }
  await close(session, upload);
  leftovers.splice(0, Number.POSITIVE_INFINITY, upload.path);
  upload.path = path;
  upload.unanswered = false;
  await clear(session, upload);
}

async function cut(session: SftpSession, upload: Interrupted, size: number): Promise<void> {
  const { target, path, pause } = upload;
  const isOwn = upload.open && session === target.lease.session;
  if (isOwn) await session.fsetstat(target.handle, { size });
  else await session.setstat(path, { size });
  await setAttributes(session, path, target.attributes);
  await close(session, upload);
  for (let i = 0; upload.unanswered && i < CUTS; i++) {
    await delay(pause);
    if ((await session.stat(path)).size === size) return;
    await session.setstat(path, { size });
  }
}

/** Settles when late WRITEs of a lost session have stopped to make the file longer. */
async function quiet(session: SftpSession, { path, pause, unanswered }: Interrupted): Promise<void> {
  let last = unanswered ? await sizeOf(session, path) : undefined;
  for (let i = 0; unanswered && i < CUTS; i++) {
    await delay(pause);
    const size = await sizeOf(session, path);
    if (size === last) return;
    last = size;
  }
}

async function discard(session: SftpSession, upload: Interrupted): Promise<void> {
  await close(session, upload);
  upload.leftovers.push(upload.path);
  await clear(session, upload);
}

/** Removes what is not needed. */
async function clear(session: SftpSession, { leftovers }: Interrupted): Promise<void> {
  for (const path of [...leftovers]) {
    await session.remove(path).catch(unlessRefused);
    leftovers.splice(leftovers.indexOf(path), 1);
  }
}

/** Closes the target's handle, which only its own session has. */
async function close(session: SftpSession, upload: Interrupted): Promise<void> {
  const { target, open } = upload;
  if (open && session === target.lease.session) await session.closeHandle(target.handle).catch(unlessRefused);
  upload.open = false;
}

async function setAttributes(session: SftpSession, path: Buffer, attributes: Attributes): Promise<void> {
  if (Object.keys(attributes).length > 0) await session.setstat(path, attributes).catch(unlessRefused);
}

async function sizeOf(session: SftpSession, path: Buffer): Promise<number | undefined> {
  const attributes = await session.stat(path).catch(unlessRefused);
  return attributes?.size;
}
