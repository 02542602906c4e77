// What several tests need: made-up keys, a clock that is moved by hand, a key source whose answers are scripted.
import * as phi from "../dist/esm/index.js";

export const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
export const OTHER = Buffer.alloc(32, 7);

/** A source that answers each request with the next of its answers: a key, or an error to reject with. */
export class Scripted {
  requests = 0;
  #answers;

  constructor(...answers) {
    this.#answers = answers;
  }

  answerWith(...answers) {
    this.#answers = answers;
  }

  async dataKey() {
    this.requests += 1;
    const answer = this.#answers.length > 1 ? this.#answers.shift() : this.#answers[0];
    if (answer instanceof Error) throw answer;
    return typeof answer === "function" ? answer() : answer;
  }
}

/** A clock in seconds, moved by hand. */
export class Clock {
  now = 1000;
  read = () => this.now;
}

/** A cached key with that clock, and no jitter. */
export function cached(source, { clock = new Clock(), reading = [], ...options } = {}) {
  return { key: new phi.CachedKey(source, reading, { clock: clock.read, jitter: () => 0, ...options }), clock };
}
