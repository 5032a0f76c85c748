import { LocalStore } from '../../../src/ftp/server/local/local-store.ts';
import { ROOT, resolvePath, type StorePath } from '../../../src/ftp/server/path.ts';

// Run as a user without rights by permissions.test.ts: prints what a LocalStore says to each
// attempt, one JSON object.

const store = await LocalStore.open(process.argv[2] ?? '');
const at = (name: string) => resolvePath(ROOT, name) as StorePath;

async function attempt(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return 'done';
  } catch (error) {
    return (error as { reason?: string }).reason ?? String(error);
  }
}

async function upload(name: string): Promise<void> {
  const sink = await store.openWrite(at(name), { kind: 'replace' });
  await sink.write(Buffer.from('new'));
  await sink.finish();
}

async function giveUp(name: string, keep: boolean): Promise<void> {
  const sink = await store.openWrite(at(name), { kind: 'replace' });
  await sink.write(Buffer.from('part'));
  await sink.abort(keep);
}

console.log(
  JSON.stringify({
    'a new file in a closed directory': await attempt(() => upload('closed/new')),
    'a file of one’s own in a closed directory': await attempt(() => upload('closed/own')),
    'a part of one': await attempt(() => giveUp('closed/other', true)),
    'a read-only file in an open directory': await attempt(() => upload('open/readonly')),
    'a file in a directory that may not be entered': await attempt(() => store.stat(at('locked/f'))),
    'a file that may not be read': await attempt(() =>
      store.openRead(at('open/secret'), { start: 0, end: null }),
    ),
    'a directory that may not be read': await attempt(() => store.list(at('locked'))),
    'what a file may be': await attempt(() => store.setMode(at('open/readonly'), 0o777)),
  }),
);
