// What time the server has, when to try to reach it again, and what the device says of its network.

const clockSamples = 16;
/** The first retry waits up to this long, each further one up to twice as long; all times in ms. */
const backoffBase = 1_000;
const backoffLimit = 30_000;
/** What an overloaded server (1013, 4429) is given on top. */
const overloadPause = 2_000;

/** 44xx says: do not retry, except after silence or slowness (4408) and too many (4429). */
export const mayRetry = (/** @type {number} */ code) => code < 4400 || code > 4499 || code === 4408 || code === 4429;

/** The server's clock as its frames tell it. */
export class ServerClock {
  /** @type {number[]} */ #offsets = [];

  /** Forgets what was heard: this device may have slept since. */
  reset() { this.#offsets = []; }

  /** @param {unknown} now epoch ms, where a frame has it */
  heard(now) {
    if (typeof now !== "number") return;
    this.#offsets.push(now - Date.now());
    if (this.#offsets.length > clockSamples) this.#offsets.shift();
  }

  /** Server clock minus this device's, ms; 0 until the server has spoken. */
  get offset() {
    // Each is too small by the frame's time under way, so the largest is the best.
    return this.#offsets.length > 0 ? Math.max(...this.#offsets) : 0;
  }
}

/** The pauses between attempts. */
export class Backoff {
  #attempts = 0;

  reset() { this.#attempts = 0; }

  // Full jitter: the viewers of a restarted server come back spread out, not in waves
  // (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
  /** @param {number} code the WebSocket close code @returns {number} ms */
  next(code) {
    const ceiling = Math.min(backoffLimit, backoffBase * 2 ** Math.min(this.#attempts, 10));
    this.#attempts += 1;
    return Math.random() * ceiling + (code === 1013 || code === 4429 ? overloadPause : 0);
  }

  /** The pause before asking again for what could not be answered, ms. */
  static shortly() { return backoffBase * (1 + 2 * Math.random()); }
}

/** No reason to wait any longer; no use for the socket: it may look open for minutes after its network is gone, and a
 * browser keeps that of a page one may return to. */
const goodSigns = ["online", "pageshow"];
const badSigns = ["offline", "pagehide"];

/** What the device says of its network and of the page, where it says anything. */
export class Surroundings {
  /** @param {() => void} wake @param {(sign: string) => void} rest */
  constructor(wake, rest) {
    this.wake = () => wake();
    this.rest = (/** @type {Event} */ { type }) => rest(type);
  }

  watch() {
    for (const type of goodSigns) globalThis.addEventListener?.(type, this.wake);
    for (const type of badSigns) globalThis.addEventListener?.(type, this.rest);
  }

  leave() {
    for (const type of goodSigns) globalThis.removeEventListener?.(type, this.wake);
    for (const type of badSigns) globalThis.removeEventListener?.(type, this.rest);
  }
}
