import type { Answers, QuestionKind, QuestionOf } from '../action.ts';
import { type FileStore, StoreError } from '../store.ts';
import { collect } from './entries.ts';
import { discard, type Handle, type Handles } from './handles.ts';

/** The kinds of questions to the store. */
export type StoreKind = Exclude<
  QuestionKind,
  'verify' | 'delay' | 'listen' | 'accept' | 'dial' | 'send' | 'receive'
>;

/** The context of a question to the store. */
export interface StoreContext {
  /** The store of the user; null before the login. */
  readonly store: FileStore | null;
  readonly handles: Handles;
  /** The id of the question, and of what it opens. */
  readonly id: number;
  /** Aborted when the question is forgotten. */
  readonly signal: AbortSignal;
}

type Answering = {
  readonly [K in StoreKind]: (question: QuestionOf<K>, context: StoreContext) => Promise<Answers[K]>;
};

/** Asks the store. Rejects as the store does. */
export function askStore<K extends StoreKind>(
  question: QuestionOf<K>,
  context: StoreContext,
): Promise<Answers[K]> {
  const answering: Answering[K] = ANSWERING[(question as { readonly kind: K }).kind];
  return answering(question, context);
}

/** Whether the store answers this question. */
export function isStoreKind(kind: QuestionKind): kind is StoreKind {
  return kind in ANSWERING;
}

const ANSWERING: Answering = {
  stat: ({ path, next }, context) => storeOf(context).stat(path, context.signal, next),
  list: ({ path }, context) =>
    open(context, null, async (store) => ({
      kind: 'directory',
      source: await store.list(path, context.signal),
    })),
  read: async ({ path, range }, context) => {
    const source = await storeOf(context).openRead(path, range, context.signal);
    return open(context, { size: source.size }, async () => ({ kind: 'file', source }));
  },
  write: ({ path, mode, size }, context) =>
    open(context, null, async (store) => {
      const sink = await store.openWrite(path, mode, size, context.signal);
      return { kind: 'sink', sink, busy: Promise.resolve() };
    }),
  finish: ({ handle }, { handles }) => done(handles.finish(handle)),
  abort: ({ handle, keep }, { handles }) => done(handles.abort(handle, keep)),
  'make-directory': ({ path }, context) => done(storeOf(context).makeDirectory(path)),
  'remove-directory': ({ path }, context) => done(storeOf(context).removeDirectory(path)),
  remove: ({ path }, context) => done(storeOf(context).remove(path)),
  rename: ({ from, to, replace }, context) => done(storeOf(context).rename(from, to, replace)),
  'set-modified': ({ path, time }, context) => done(storeOf(context).setModified(path, time)),
  'set-mode': ({ path, mode }, context) => done(storeOf(context).setMode(path, mode)),
  available: ({ path }, context) => storeOf(context).available(path),
  hash: ({ path, algorithm, range }, context) =>
    storeOf(context).hash(path, algorithm, range, context.signal),
  collect: async ({ handle, most }, { handles }) => {
    const { source } = handles.get(handle, 'directory');
    try {
      return await collect(source, most);
    } finally {
      await handles.release(handle);
    }
  },
};

function storeOf({ store }: StoreContext): FileStore {
  if (store === null) throw new StoreError('permission', 'not logged in');
  return store;
}

/** Opens something; closes it again if the question was forgotten meanwhile. */
async function open<T>(
  context: StoreContext,
  value: T,
  opens: (store: FileStore) => Promise<Handle>,
): Promise<T> {
  const handle = await opens(storeOf(context));
  const { signal, handles, id } = context;
  if (!signal.aborted) handles.add(id, handle);
  else {
    await discard(handle);
    signal.throwIfAborted();
  }
  return value;
}

async function done(work: Promise<void>): Promise<null> {
  await work;
  return null;
}
