import { describe, expect, it } from 'vitest';
import { FtpControl } from '../../../src/ftp/rewrite/control.ts';
import type { Pending } from '../../../src/ftp/rewrite/pending.ts';
import { PendingQueue } from '../../../src/ftp/rewrite/pending-queue.ts';
import type { FtpPolicy } from '../../../src/ftp/rewrite/policy.ts';
import {
  columnOf,
  decide,
  REPLY_ACTIONS,
  type ReplyColumn,
  type ReplyRow,
} from '../../../src/ftp/rewrite/reply-actions.ts';
import {
  client,
  cut,
  POLICY,
  passive,
  retrieving,
  type Step,
  server,
  stands,
  storing,
  toClient,
  toServer,
  whole,
  words,
} from '../../support/ftp-dialogue.ts';

const ROWS = Object.keys(REPLY_ACTIONS) as ReplyRow[];
const COLUMNS = Object.keys(REPLY_ACTIONS.none) as ReplyColumn[];
const LOGIN = [server('220 Ready'), client('USER a'), server('230 In')];
const REMOTE = { active: 'remote-forward' } as const;

/** What leads to the row: the command is then at the head, and its reply is the next to come. */
const SETUP: Record<ReplyRow, readonly Step[]> = {
  none: LOGIN,
  greeting: [],
  passed: [...LOGIN, client('XUNK f')],
  feat: [...LOGIN, client('FEAT')],
  port: [...LOGIN, client('PASV')],
  remote: [...LOGIN, client('PORT 10,9,8,7,8,0'), stands(1)],
  transfer: [...LOGIN, ...passive(1), client('RETR f')],
  hidden: [...LOGIN, ...passive(1), ...storing(1), cut(1, 'upload', 'client'), server('426 Cut')],
};

/** A reply, and what must follow: the actions, without timers. */
type Cell = readonly [reply: string, ...actions: string[]];

const passes = (reply: string): Cell => [reply, toClient(reply)];
const drops = (reply: string): Cell => [reply];

/** The whole table; null for a cell that cannot occur. */
const CELLS: Record<ReplyRow, Record<ReplyColumn, Cell | null>> = {
  none: {
    '1yz': passes('150 x'),
    '2yz': passes('200 x'),
    '3yz': passes('350 x'),
    '4yz-5yz': passes('550 x'),
    '227-229': ['227 (10,1,1,1,4,1)', 'log ftp.reply.dropped'],
    '421': passes('421 x'),
  },
  greeting: {
    '1yz': null,
    '2yz': passes('220 x'),
    '3yz': passes('350 x'),
    '4yz-5yz': passes('530 x'),
    '227-229': null,
    '421': passes('421 x'),
  },
  passed: {
    '1yz': passes('150 x'),
    '2yz': passes('200 x'),
    '3yz': passes('350 x'),
    '4yz-5yz': passes('550 x'),
    '227-229': null,
    '421': passes('421 x'),
  },
  feat: {
    '1yz': null,
    '2yz': ['211-Features\r\n SIZE\r\n AUTH TLS\r\n211 End', toClient('211-Features\r\n SIZE\r\n211 End')],
    '3yz': passes('350 x'),
    '4yz-5yz': passes('500 x'),
    '227-229': null,
    '421': passes('421 x'),
  },
  port: {
    '1yz': null,
    '2yz': null,
    '3yz': ['350 x', 'log ftp.data.other-kind', toServer('EPSV')],
    '4yz-5yz': ['500 x', 'log ftp.data.other-kind', toServer('EPSV')],
    '227-229': ['227 (10,1,1,1,4,1)', 'offer 1 local ftp.test:1025 4 reach'],
    '421': passes('421 x'),
  },
  remote: {
    '1yz': null,
    '2yz': ['200 x', toClient('200 PORT command successful')],
    '3yz': ['350 x', 'abandon 1', toClient('350 x')],
    '4yz-5yz': ['500 x', 'abandon 1', 'offer 2 remote 10.9.8.7:2048 6'],
    '227-229': null,
    '421': ['421 x', 'abandon 1', toClient('421 x')],
  },
  transfer: {
    '1yz': ['150 x', 'start 1 RETR f download', toClient('150 x')],
    '2yz': ['226 x', 'expect-close 1'],
    '3yz': null,
    '4yz-5yz': ['550 x', toClient('550 x'), 'refused 1 RETR f 550'],
    '227-229': null,
    '421': ['421 x', toClient('421 x'), 'refused 1 RETR f 421'],
  },
  hidden: {
    '1yz': null,
    '2yz': drops('226 x'),
    '3yz': drops('350 x'),
    '4yz-5yz': drops('500 x'),
    '227-229': null,
    '421': passes('421 x'),
  },
};

function perform(control: FtpControl, { event }: Step): string[] {
  const actions = event.on === 'control' ? event.tell(control) : control.receive(event.on, event.bytes);
  return actions.map(words).filter((line) => !line.startsWith('timer '));
}

describe.each(ROWS)('a reply to: %s', (row) => {
  const policy: FtpPolicy = row === 'remote' ? { ...POLICY, ...REMOTE } : POLICY;

  it.each(COLUMNS)('%s', (column) => {
    const cell = CELLS[row][column];
    expect(REPLY_ACTIONS[row][column] === 'fault').toBe(cell === null);
    if (cell === null) return;
    const [reply, ...actions] = cell;
    expect(columnOf(Number(reply.slice(0, 3)))).toBe(column);
    const control = new FtpControl(policy);
    for (const step of SETUP[row]) perform(control, step);
    expect(perform(control, server(reply))).toEqual(actions);
  });
});

describe('a transfer that waits for its data', () => {
  it('gets its 226 only when all bytes have arrived', () => {
    const control = new FtpControl(POLICY);
    for (const step of [...LOGIN, ...passive(1), ...retrieving(1)]) perform(control, step);
    expect(perform(control, server('226 Done'))).toEqual(['expect-close 1']);
    expect(perform(control, whole(1, 'download'))).toEqual([toClient('226 Done'), 'end 1 226']);
  });
});

const port = {
  id: 1,
  connect: null,
  remote: null,
  halfClosed: false,
  closeExpected: false,
  over: false,
} as const;
const entries: readonly Pending[] = [
  { kind: 'greeting', verb: '' },
  ...['NOOP', 'ABOR', 'CWD', 'XUNK'].map(
    (verb): Pending => ({ kind: 'passed', verb, path: '', done: () => {} }),
  ),
  { kind: 'feat', verb: 'FEAT' },
  {
    kind: 'port',
    verb: 'PASV',
    asked: 'PASV',
    client: null,
    refusal: null,
    mistaken: false,
    late: null,
  },
  {
    kind: 'remote',
    verb: 'PORT',
    client: { host: '10.9.8.7', port: 2048 },
    port: { ...port, ends: { download: null, upload: null } },
    family: 4,
    refusal: null,
  },
  ...[false, true].map(
    (started): Pending => ({
      kind: 'transfer',
      verb: 'RETR',
      path: 'f',
      direction: 'download',
      port: null,
      started,
      reported: started,
      failedEarly: false,
      failing: false,
      followed: false,
    }),
  ),
  { kind: 'local', verb: 'AUTH', reply: Buffer.from('502 No\r\n') },
  { kind: 'hidden', verb: 'ABOR' },
];

describe('the cells with "fault"', () => {
  it('are never reached: by any code, with any three commands in the queue', () => {
    const reached = new Set<string>();
    for (const first of entries) {
      for (const second of [null, ...entries]) {
        for (const third of second === null ? [null] : [null, ...entries]) {
          const queue = new PendingQueue();
          for (const entry of [first, second, third]) if (entry !== null) queue.push({ ...entry });
          for (let code = 100; code < 700; code++) {
            const { action, entry } = decide(code, queue.commandFor(code));
            if (action === 'fault') reached.add(`${code} to ${entry?.kind} ${entry?.verb}`);
          }
        }
      }
    }
    expect([...reached]).toEqual([]);
  });
});
