/**
 * A queue that removes its first item in constant time. An array's `shift` moves all later items:
 * with the lines of one chunk, which may be as many as it has bytes, that held up the whole process
 * for seconds.
 */
export class Fifo<T> {
  #items: T[] = [];
  #start = 0;

  get length(): number {
    return this.#items.length - this.#start;
  }

  get first(): T | undefined {
    return this.#items[this.#start];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.first;
    if (item === undefined) return undefined;
    this.#start += 1;
    // Half of it at a time: seldom enough to cost little, often enough to keep little.
    if (2 * this.#start >= this.#items.length) {
      this.#items = this.#items.slice(this.#start);
      this.#start = 0;
    }
    return item;
  }

  *[Symbol.iterator](): Iterator<T> {
    yield* this.#items.slice(this.#start);
  }
}
