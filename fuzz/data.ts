import { GatewayError } from '../src/core/errors.ts';
import type { DataEnd } from '../src/ftp/rewrite/action.ts';
import type { Direction } from '../src/ftp/wire/command.ts';
import { LOCAL, type Scene } from './scene.ts';

/**
 * Stands for src/ftp/data: completes what FtpControl asks for, and reports how data connections
 * end.
 */
export class DataSide {
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  complete(works: boolean): void {
    const late = this.#scene.completions.length > 1 ? this.#scene.pick(this.#scene.completions.length) : 0;
    const [id] = this.#scene.completions.splice(late, 1);
    if (id === undefined) return;
    const error = new GatewayError(
      this.#scene.pick(2) === 0 ? 'CHANNEL_REFUSED' : 'LISTEN_FAILED',
      'no port',
    );
    const host = this.#scene.atIpv6.has(id) ? '::1' : LOCAL.host;
    this.#scene.perform({
      on: 'control',
      call: (control) => control.complete(id, works ? { endpoint: { ...LOCAL, host } } : { error }),
    });
  }

  endAny(): void {
    const ids = [...this.#scene.ports.keys()];
    const id = ids[ids.length - 1 - this.#scene.pick(3)];
    if (id !== undefined) this.endOf(id);
  }

  endOf(id: number): void {
    const direction = this.#scene.pick(2) === 0 ? 'download' : 'upload';
    const how = this.#scene.pick(6);
    const by = (['client', 'server', 'gateway'] as const)[how];
    const error = new GatewayError(this.#scene.pick(2) === 0 ? 'PEER_RESET' : 'DATA_TIMEOUT', 'cut');
    if (by === undefined) return this.report(id, direction, { how: 'whole' });
    const stood = this.#scene.pick(3) > 0 || this.#scene.ports.get(id)?.ends.download !== undefined;
    this.report(id, direction, { how: 'cut', by, stood, error });
    const other = direction === 'download' ? 'upload' : 'download';
    if (!stood) this.report(id, other, { how: 'cut', by, stood, error });
  }

  report(id: number, direction: Direction, end: DataEnd): void {
    const data = this.#scene.ports.get(id);
    if (data === undefined || data.state === 'abandoned' || data.ends[direction] || this.#scene.closed)
      return;
    data.ends[direction] = end;
    // One whose transfer is over, as in block mode, goes by itself when it breaks.
    if (data.state === 'ended' && end.how === 'cut') data.gone = true;
    this.#scene.perform({ on: 'control', call: (control) => control.dataEnded(id, direction, end) });
  }
}
