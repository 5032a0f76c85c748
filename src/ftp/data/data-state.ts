/**
 * The states of a data connection. Timers are those of data-timer.ts.
 *
 * | State    | Meaning                                                    | Timers                   | Next           |
 * | -------- | ---------------------------------------------------------- | ------------------------ | -------------- |
 * | opening  | a leg is missing                                           | unclaimed, accept        | joined, draining, over |
 * | joined   | both legs are connected; the pump carries bytes            | clientClose, serverClose | draining, over |
 * | draining | no byte passes to the client; the server's leg may be open | grace                    | over           |
 * | over     | nothing is left                                            |                          |                |
 */
export type DataState = 'opening' | 'joined' | 'draining' | 'over';

/** The moves of the table. */
const NEXT: Record<DataState, readonly DataState[]> = {
  opening: ['joined', 'draining', 'over'],
  joined: ['draining', 'over'],
  draining: ['over'],
  over: [],
};

/** Whether a data connection may go from one state to the other. */
export function follows(from: DataState, next: DataState): boolean {
  return NEXT[from].includes(next);
}
