import { openSync, writeSync } from 'node:fs';
import { GatewayError } from '../../core/errors.ts';
import type { Output } from './output.ts';

/**
 * Opens a file that text is appended to. A new file is readable by its owner only; an existing one
 * keeps its permissions. Text is lost if the disk is full. Throws `CONFIG_INVALID` if the file
 * cannot be opened.
 */
export function fileOutput(path: string): Output {
  const fd = open(path);
  return {
    write(text, done) {
      try {
        writeSync(fd, text);
      } catch {
        // A full disk must not end a tunnel.
      }
      done?.();
    },
  };
}

function open(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new GatewayError('CONFIG_INVALID', `-E ${path}: cannot write the log: ${why}`);
  }
}
