/**
 * The channel between the process that a person starts with `-f` and the one that goes to the
 * background. Until that one listens, the first shows its output, asks its questions, and forwards
 * signals to it.
 */

/** From the process that goes to the background. */
export type FromBackground =
  | { readonly type: 'write'; readonly to: 'stdout' | 'stderr'; readonly text: string }
  | { readonly type: 'ask'; readonly id: number; readonly question: string; readonly echo: boolean }
  /** The question is no longer open. */
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'tell'; readonly text: string }
  /** All forwards listen: nothing more will come. */
  | { readonly type: 'listening' };

/** To it. */
export type ToBackground =
  | { readonly type: 'answer'; readonly id: number; readonly text: string }
  | { readonly type: 'no-answer'; readonly id: number; readonly why: string };

/** What the process that goes to the background learns of the one that started it. */
export interface Foreground {
  /** Whether questions can be asked. */
  readonly interactive: boolean;
  /** Whether standard error is a terminal. */
  readonly isTTY: boolean;
}

/** The environment variable that holds a Foreground, and marks the process that goes to the background. */
export const MARK = 'SSHFERRY_BACKGROUND';
