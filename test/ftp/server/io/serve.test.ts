import type { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { SessionContext } from '../../../../src/core/plugin.ts';
import { serveFtp } from '../../../../src/ftp/server/io/serve.ts';
import type { ServeOptions } from '../../../../src/ftp/server/io/serve-options.ts';
import type { FileStore } from '../../../../src/ftp/server/store.ts';
import { connection, FakeTransport, localPeer, quietLog } from '../../../support/fakes.ts';
import { stubStore } from '../../../support/file-server.ts';

/** A server without a network: the client's end of the control connection, and the network. */
function serve(store: FileStore) {
  const control = connection();
  const near = new FakeTransport();
  const session: Pick<SessionContext, keyof Parameters<typeof serveFtp>[0]> = {
    client: control.ours,
    clientTls: null,
    peer: localPeer,
    near,
    signal: new AbortController().signal,
    log: quietLog,
    end: () => {},
    endWhenIdle: () => {},
    count: () => {},
    transfer: () => ({ progress: { bytes: 0 }, end: () => {} }),
  };
  const options: ServeOptions = {
    login: { any: { access: 'read-write', store } },
    ...{ charset: null, ascii: 'convert', keepPartial: true, active: true, hashes: [], idleTimeout: 0 },
    ...{ loginTimeout: 0 },
    data: { acceptTimeout: 1000, ports: null, advertise: null, anyPeer: false },
  };
  return { control: control.theirs, near, over: serveFtp(session, options) };
}

/** Settles when the stream has received text that matches. */
async function received(stream: Duplex, pattern: RegExp): Promise<void> {
  let text = '';
  for (; !pattern.test(text); text += stream.read() ?? '') {
    await new Promise((resolve) => stream.once('readable', resolve));
  }
}

it('does not take an upload for whole if its control connection ends a moment after its data connection', async () => {
  const done: string[] = [];
  const store = stubStore({
    openWrite: async () => ({
      write: async () => {},
      finish: async () => void done.push('finish'),
      abort: async (keep) => void done.push(`abort ${keep}`),
    }),
  });
  const { control, near, over } = serve(store);
  control.setEncoding('latin1');
  control.write('USER a\r\nPASS b\r\nTYPE I\r\nPORT 127,0,0,1,8,0\r\nSTOR f\r\n');
  await received(control, /^200 PORT/m);
  while (near.dials.length === 0) await setImmediate();
  const data = connection();
  near.dials[0]?.answer(data.ours);
  await received(control, /^150/m);
  data.theirs.end();
  await setImmediate();
  control.end();
  control.resume();
  await over;
  expect(done).toEqual(['abort true']);
});
