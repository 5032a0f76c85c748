import { beginsTransfer } from '../wire/reply.ts';
import type { Dialogue } from './dialogue.ts';
import type { Pending } from './pending.ts';
import type { PortRequests } from './port-requests.ts';
import type { RemotePorts } from './remote-ports.ts';
import type { ReplyText } from './reply-text.ts';
import type { Transfers } from './transfers.ts';

/** The parts of FtpControl that a skipped command concerns. */
interface CatchUpDeps {
  readonly ports: PortRequests;
  readonly remote: RemotePorts;
  readonly transfers: Transfers;
  readonly text: ReplyText;
}

/**
 * Settles the commands before the one that a reply with this code answers: replies come in order,
 * so the server has left those unanswered. Returns whether it changed the head of the queue.
 */
export function catchUp(dialogue: Dialogue, code: number, deps: CatchUpDeps): boolean {
  const { pending } = dialogue;
  const entry = pending.commandFor(code);
  if (entry === undefined) {
    // This reply can only mean a later command, so no second reply to the port request will come.
    if (code >= 200 && pending.head?.kind === 'port') deps.ports.useLate(pending.head);
    return false;
  }
  let answered: Pending = entry;
  if (entry.kind === 'passed' && code < 200) {
    // It begins a transfer that sshferry does not know. Without a data port of sshferry's it
    // concerns only the server.
    if (dialogue.ports.next === null) return false;
    const transfer = deps.transfers.begun(entry);
    pending.replace(entry, transfer);
    answered = transfer;
  } else if (entry === pending.head) return false;
  for (const earlier of pending.takeBefore(answered, code))
    skip(dialogue, earlier, beginsTransfer(code), deps);
  return true;
}

/** The server has left a command unanswered; `begins`: it has begun the transfer after it. */
function skip(dialogue: Dialogue, entry: Pending, begins: boolean, deps: CatchUpDeps): void {
  if (entry.kind === 'local') return dialogue.send('client', entry.reply);
  deps.text.setOutOfStep();
  if (entry.kind === 'transfer') deps.transfers.skip(entry);
  else if (entry.kind === 'remote') deps.remote.skip(entry, begins);
}
