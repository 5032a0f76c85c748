/**
 * The channel between the foreground process, which a person starts with `-f`, and the background
 * process. Until the background process listens, the foreground process shows its output, asks its
 * questions, and forwards signals to it.
 */

/** A message from the background process. */
export type FromBackground =
  | { readonly type: 'write'; readonly to: 'stdout' | 'stderr'; readonly text: string }
  | { readonly type: 'ask'; readonly id: number; readonly question: string; readonly echo: boolean }
  /** The question is no longer open. */
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'tell'; readonly text: string }
  /** All forwards listen; the last message. */
  | { readonly type: 'listening' };

/** A message to the background process. */
export type ToBackground =
  | { readonly type: 'answer'; readonly id: number; readonly text: string }
  | { readonly type: 'no-answer'; readonly id: number; readonly why: string };

/** Properties of the foreground process, for the background process. */
export interface Foreground {
  /** Whether questions can be asked. */
  readonly interactive: boolean;
  /** Whether standard error is a terminal. */
  readonly isTTY: boolean;
}

/** The environment variable that holds a Foreground, and so marks the background process. */
export const MARK = 'SSHFERRY_BACKGROUND';
