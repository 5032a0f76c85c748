import { latin1 } from '../wire/command.ts';
import type { ReplyLine } from '../wire/reply.ts';

/** The features of TLS and of transfers between two servers, which sshferry refuses. */
const REFUSED_FEATURE = /^(?:[ \t]+|211-[ \t]*)(AUTH|PBSZ|PROT|CCC|SSL|TLS|CPSV|SSCN)\b/i;

/** Returns whether this line of a FEAT reply is left out: it offers what sshferry refuses. */
export function isRefusedFeature({ bytes, first, final }: ReplyLine): boolean {
  return !first && !final && REFUSED_FEATURE.test(latin1(bytes));
}
