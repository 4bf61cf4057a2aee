interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** True time, and what is to happen at which moment of it: a binary heap, first in first out at one moment. */
export class Schedule {
  /** Milliseconds since the beginning. */
  now = 0;
  readonly #heap: Entry[] = [];
  #order = 0;

  /** Does something after `delay` milliseconds of true time. */
  after(delay: number, run: () => void): void {
    this.at(this.now + Math.max(0, delay), run);
  }

  /** Does something at a moment that is not over: of two at the same moment, the first first. */
  at(moment: number, run: () => void): void {
    const heap = this.#heap;
    heap.push({ at: moment, order: this.#order++, run });
    let child = heap.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (before(heap[parent]!, heap[child]!)) break;
      [heap[parent], heap[child]] = [heap[child]!, heap[parent]!];
      child = parent;
    }
  }

  /** Lets the next thing happen, if it is due by `end`; else the time is `end` and nothing happens. */
  step(end: number): boolean {
    const heap = this.#heap;
    const first = heap[0];
    if (!first || first.at > end) {
      this.now = end;
      return false;
    }
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      this.#siftDown();
    }
    this.now = first.at;
    first.run();
    return true;
  }

  #siftDown(): void {
    const heap = this.#heap;
    for (let parent = 0;;) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < heap.length && before(heap[child]!, heap[least]!)) least = child;
      }
      if (least === parent) return;
      [heap[parent], heap[least]] = [heap[least]!, heap[parent]!];
      parent = least;
    }
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
