import type { Completion, DataEnd } from '../rewrite/action.ts';
import type { Direction } from '../wire/command.ts';

/** Receives what becomes of data connections. */
export interface DataReport {
  complete(id: number, result: Completion): void;
  ended(id: number, direction: Direction, end: DataEnd): void;
}
