const EMPTY_LINE = Buffer.from('\n\n');
const FIRST_BUFFER_BYTES = 8 * 1024;

/** Puts the pieces of an event stream together and calls back with the text of each whole event. */
export class EventSplitter {
  #onEvent;
  #buffer = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);
  #filled = 0;

  constructor(onEvent) {
    this.#onEvent = onEvent;
  }

  feed(buffer, start, end) {
    this.#makeRoom(end - start);
    // The first half of an empty line may have come before.
    const searchFrom = Math.max(0, this.#filled - 1);
    buffer.copy(this.#buffer, this.#filled, start, end);
    this.#filled += end - start;
    this.#handOn(searchFrom);
  }

  #handOn(searchFrom) {
    const gathered = this.#buffer.subarray(0, this.#filled);
    let done = 0;
    let at = gathered.indexOf(EMPTY_LINE, searchFrom);
    while (at !== -1) {
      this.#onEvent(gathered.latin1Slice(done, at + 1));
      done = at + EMPTY_LINE.length;
      at = gathered.indexOf(EMPTY_LINE, done);
    }
    gathered.copyWithin(0, done);
    this.#filled -= done;
  }

  #makeRoom(bytes) {
    if (this.#filled + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#filled + bytes));
    this.#buffer.copy(larger, 0, 0, this.#filled);
    this.#buffer = larger;
  }
}
