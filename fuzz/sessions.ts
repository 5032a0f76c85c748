/** How files are transferred, step by step; `ask` always asks in the same way, as clients do. */
const AGREE = ['ask', 'heard', 'answer', 'told', 'stands'];
const BEGIN = ['transfer', 'heard', 'answer', 'told'];
const END = ['over', 'answer', 'told'];
const FILE = [...AGREE, ...BEGIN, ...END];
/** Sessions that go as they should, or wrong in one way that random choices seldom find. */
export const SESSIONS: readonly (readonly string[])[] = [
  [...FILE, 'answer', 'told', ...FILE, 'answer', 'told', ...FILE, 'answer', 'told', ...FILE],
  // The next port is asked for before the server has said all of the last transfer.
  [
    ...FILE,
    ...FILE,
    ...AGREE,
    ...BEGIN,
    'ask',
    'heard',
    ...END,
    'answer',
    'told',
    'stands',
    ...BEGIN,
    ...END,
  ],
  [...AGREE, ...BEGIN, 'abort', 'heard', 'answer', 'told', 'answer', 'told', ...FILE],
  [...AGREE, ...BEGIN, 'answer', 'told', 'cut', 'told', ...FILE],
  [...AGREE, ...BEGIN, 'cut', 'answer', 'told', 'answer', 'told', ...FILE],
  [...AGREE, ...BEGIN, 'sent', 'answer', 'told', 'over', 'told', ...FILE],
  [
    ...AGREE,
    'transfer',
    'ask',
    'transfer',
    'heard',
    'answer',
    'told',
    'stands',
    'answer',
    'told',
    ...END,
    ...END,
  ],
  // Asked again, in another way, and then gone.
  ['ask', 'heard', 'refuse', 'told', 'stands', 'down'],
  ['ask', 'heard', 'refuse', 'told', 'stands', 'answer', 'told', 'stands', ...BEGIN, ...END],
  [...AGREE, ...BEGIN, 'lose', 'answer', 'told'],
  [...AGREE, ...BEGIN, 'tls', 'status', 'heard', 'answer', 'told', 'answer', 'told', ...FILE],
  // NOOPs during a transfer, which the server may leave unanswered, and then the next file.
  [...AGREE, ...BEGIN, 'noop', 'noop', 'heard', 'answer', 'told', ...END, 'answer', 'told', ...FILE, ...FILE],
  // A second reply to an earlier command comes late: before the data port is announced, and before
  // the transfer begins.
  [...FILE, 'ask', 'heard', 'refused again', 'answer', 'told', 'answer', 'told', 'stands', ...BEGIN, ...END],
  [...FILE, ...AGREE, 'transfer', 'heard', 'done again', 'answer', 'told', ...END, ...FILE],
  [...AGREE, 'told again', ...BEGIN, 'told again', ...END, 'told again', 'ask', 'heard', 'answer', 'told'],
  // The first data port cannot be reached.
  ['ask', 'heard', 'answer', 'told', 'fails', 'answer', 'told', 'stands', ...BEGIN, ...END, ...FILE],
  // The server hangs up while it is asked for a port, and the client goes too.
  ['ask', 'heard', 'server goes', 'client goes'],
  // The server has sent a whole file and closed before its 150 is read.
  [...AGREE, 'retrieve', 'heard', 'served', 'answer', 'told', 'answer', 'told', ...FILE],
];
