/** Bytes that wait to be sent, in the pieces that they came in. */
export class WriteQueue {
  #bytes = 0;
  #pieces: Buffer[] = [];

  get bytes(): number {
    return this.#bytes;
  }

  push(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  /** Removes the first bytes, at most `most`, and returns them. */
  take(most: number): Buffer[] {
    const taken: Buffer[] = [];
    let room = Math.min(most, this.#bytes);
    this.#bytes -= room;
    while (room > 0) {
      const [piece] = this.#pieces;
      if (piece === undefined) break;
      if (piece.length > room) {
        taken.push(piece.subarray(0, room));
        this.#pieces[0] = piece.subarray(room);
        break;
      }
      taken.push(piece);
      this.#pieces.shift();
      room -= piece.length;
    }
    return taken;
  }

  clear(): void {
    this.#pieces = [];
    this.#bytes = 0;
  }
}
