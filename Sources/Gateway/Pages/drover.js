// Drover's live positions, for any runtime with WebSocket and EventTarget. No dependencies.
//
//   import { DroverClient } from "/drover.js";
//   const client = new DroverClient({ token: "…" });
//   client.on("positions", ({ positions }) => positions.forEach(draw));
//   client.on("state", ({ name }) => console.log(name));
//   client.connect();
//   const { refused } = await client.subscribe(["driver:van-1"]);
//
// The protocol is `drover.v1`, see /asyncapi.yaml. What is watched survives every reconnection, and the stream's cursor
// resumes it, so that nothing is missed where the server still remembers.

/**
 * A driver's newest accepted ping. Degrees WGS84, metres, m/s, degrees clockwise from north, epoch milliseconds.
 * @typedef {{driver_id: string, subjects?: string[], recorded_at: number, lat: number, lng: number, speed?: number,
 *   heading?: number, accuracy?: number, distance_m?: number}} Position
 *
 * @typedef {{driver_id: string, subjects?: string[], state: "live"|"stale"|"offline", last_recorded_at?: number,
 *   reason?: string}} Status
 *
 * `retryAt` is on this device's clock (`Date.now()`); `code` is the WebSocket close code that led here.
 * @typedef {{name: "connecting"|"live"|"waiting"|"closed", retryAt?: number, code?: number, reason?: string}} State
 *
 * One subject the caller wants. `held`: the server has confirmed it, so the cursor covers it.
 * @typedef {{phase: "wanted"|"asked"|"held", answer: Promise<string|null>,
 *   settle: (refusal: string|null) => void}} Watch
 *
 * A frame that awaits its answer; `resumes` marks one that carried the cursor.
 * @typedef {{login?: true, watches?: Map<string, Watch>, resumes?: boolean}} Question
 */

/** The first retry waits up to this long, each further one up to twice as long; all times in ms. */
const backoffBase = 1_000;
const backoffLimit = 30_000;
/** What an overloaded server (1013, 4429) is given on top. */
const overloadPause = 2_000;
/** After a connection that lasted this long the retries start from the base again. */
const settledAfter = 10_000;
/** From opening the socket to the answered login; the server waits 5 s for the token. */
const loginTimeout = 15_000;
/** Far below the 16 KiB of a frame, and one refused for want of room takes few others with it. */
const subjectsPerFrame = 50;
const clockSamples = 16;
/** No reason to wait any longer; no use for the socket: it may look open for minutes after its network is gone, and a
 * browser keeps that of a page one may return to. */
const goodSigns = ["online", "pageshow"];
const badSigns = ["offline", "pagehide"];

/** 44xx says: do not retry, except after silence or slowness (4408) and too many (4429). */
const mayRetry = (/** @type {number} */ code) => code < 4400 || code > 4499 || code === 4408 || code === 4429;

/** The live endpoint of the server that this page came from: http becomes ws, https wss. */
const ownEndpoint = () => new URL("/v1/track", globalThis.location.href).href.replace(/^http/, "ws");

/**
 * Its events, all `CustomEvent`s, are
 * - `state` ({@link State}): the connection changed.
 * - `positions` `{positions, snapshot, subject?}`: in `recorded_at` order a driver; after a reconnection some may
 *   repeat: compare `recorded_at`. `snapshot`: all there is for `subject` (a long one in several events), not a change.
 * - `refused` `{refused}`: subjects that are not watched (any more), each with its error code.
 * - `status` `{status}`, `left` `{left}`, `events` `{events}`, `expiring` `{in_s}`: the server's pushes as they are.
 */
export class DroverClient extends EventTarget {
  #url;
  #token;
  #maxRateHz;
  /** @type {State} */ #state = { name: "closed", reason: "not connected yet" };
  /** @type {WebSocket|null} */ #socket = null;
  #liveSince = 0;
  #attempts = 0;
  #nextId = 1;
  #flushing = false;
  /** @type {Map<string, Watch>} */ #watches = new Map();
  /** @type {Map<number, Question>} */ #questions = new Map();
  /** @type {string|null} */ #cursor = null;
  // The cursor that a resumption still needs: pushes move the newest one on before all is resumed.
  /** @type {string|null} */ #resume = null;
  /** @type {number[]} */ #offsets = [];
  #loginTimer = 0;
  #retryTimer = 0;

  // `url` defaults to the page's own server; `maxRateHz` caps the updates a second of each driver.
  /** @param {{token: string, url?: string, maxRateHz?: number}} options */
  constructor({ token, url = ownEndpoint(), maxRateHz }) {
    super();
    this.#url = url;
    this.#token = token;
    this.#maxRateHz = maxRateHz;
  }

  // Listens, as `addEventListener` does, and is handed the event's detail.
  /** @param {string} type @param {(detail: any) => void} listener */
  on(type, listener) {
    this.addEventListener(type, (event) => listener(/** @type {CustomEvent} */ (event).detail));
  }

  get state() { return this.#state; }

  /** Server clock minus this device's clock, ms; 0 until the server has spoken. */
  get clockOffset() { return this.#offsets.length > 0 ? Math.max(...this.#offsets) : 0; }

  /** The server's time, epoch ms: less a `recorded_at` it is an honest age. */
  serverNow() { return Date.now() + this.clockOffset; }

  /** Opens the connection and keeps it open until `close()` or a refusal that a retry cannot mend. */
  connect() {
    if (this.#state.name !== "closed") return;
    for (const type of goodSigns) globalThis.addEventListener?.(type, this.#wake);
    for (const type of badSigns) globalThis.addEventListener?.(type, this.#rest);
    this.#attempts = 0;
    this.#open();
  }

  /** Ends the connection for good. What the server had confirmed is kept for a later `connect()`. */
  close() {
    if (this.#state.name === "closed") return;
    this.#forgetSocket();
    this.#finish(1000, "closed by this page");
  }

  /**
   * Watches subjects until `unsubscribe`. Resolves once the server has answered for each of them, however many
   * reconnections that takes; what was refused is no longer watched.
   * @param {Iterable<string>} subjects `driver:ID`, `order:ID`, `group:ID`, `area:minLat,minLng,maxLat,maxLng`
   * @returns {Promise<{subscribed: string[], refused: Record<string, string>}>} `refused` maps to an error code
   */
  async subscribe(subjects) {
    const asked = new Map([...subjects].map((subject) => [subject, this.#watch(subject)]));
    this.#scheduleFlush();
    const subscribed = [];
    /** @type {Record<string, string>} */
    const refused = {};
    for (const [subject, watch] of asked) {
      const refusal = await watch.answer;
      if (refusal === null) subscribed.push(subject);
      else refused[subject] = refusal;
    }
    return { subscribed, refused };
  }

  /** @param {Iterable<string>} subjects */
  unsubscribe(subjects) {
    const known = [];
    for (const subject of subjects) {
      const watch = this.#watches.get(subject);
      if (!watch) continue;
      this.#watches.delete(subject);
      if (watch.phase !== "wanted") known.push(subject);
      watch.settle("unsubscribed");
    }
    if (this.#state.name !== "live") return;
    for (const chunk of chunked(known)) this.#ask({ unsubscribe: chunk }, {});
  }

  #open() {
    clearTimeout(this.#retryTimer);
    this.#setState({ name: "connecting" });
    const socket = new WebSocket(this.#url, ["drover.v1"]);
    this.#socket = socket;
    socket.onopen = () => {
      this.#offsets = [];  // This device may have slept since the last samples.
      this.#ask({ token: this.#token }, { login: true });
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => this.#dropped(code, reason);
    this.#loginTimer = setTimeout(() => this.#abandon("no answer from the server"), loginTimeout);
  }

  // Gives the socket up without waiting for the other side, which may be unreachable.
  /** @param {string} reason */
  #abandon(reason) {
    this.#forgetSocket();
    this.#dropped(1006, reason);
  }

  #forgetSocket() {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** @param {number} code @param {string} reason */
  #dropped(code, reason) {
    clearTimeout(this.#loginTimer);
    this.#socket = null;
    this.#questions.clear();
    for (const watch of this.#watches.values()) if (watch.phase === "asked") watch.phase = "wanted";
    if (!mayRetry(code)) return this.#finish(code, reason);
    if (this.#state.name === "live" && Date.now() - this.#liveSince >= settledAfter) this.#attempts = 0;
    // Full jitter: the viewers of a restarted server come back spread out, not in waves
    // (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    const ceiling = Math.min(backoffLimit, backoffBase * 2 ** Math.min(this.#attempts, 10));
    this.#attempts += 1;
    const delay = Math.random() * ceiling + (code === 1013 || code === 4429 ? overloadPause : 0);
    this.#retryTimer = setTimeout(() => this.#open(), delay);
    this.#setState({ name: "waiting", retryAt: Date.now() + delay, code, reason });
  }

  /** @param {number} code @param {string} reason */
  #finish(code, reason) {
    clearTimeout(this.#loginTimer);
    clearTimeout(this.#retryTimer);
    for (const type of goodSigns) globalThis.removeEventListener?.(type, this.#wake);
    for (const type of badSigns) globalThis.removeEventListener?.(type, this.#rest);
    this.#questions.clear();
    for (const [subject, watch] of this.#watches) {
      if (watch.phase === "held") continue;
      this.#watches.delete(subject);
      watch.settle("closed");
    }
    this.#setState({ name: "closed", code, reason });
  }

  #wake = () => {
    if (this.#state.name === "waiting") this.#open();
  };

  #rest = (/** @type {Event} */ { type }) => {
    if (this.#socket) this.#abandon(type);
  };

  /** @param {State} state */
  #setState(state) {
    this.#state = state;
    this.#emit("state", state);
  }

  /** @param {string} type @param {unknown} detail */
  #emit(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }

  /** @param {object} frame @param {Question} question */
  #ask(frame, question) {
    const id = this.#nextId++;
    this.#questions.set(id, question);
    this.#socket?.send(JSON.stringify({ id, ...frame }));
  }

  /** @param {string} subject @returns {Watch} */
  #watch(subject) {
    const known = this.#watches.get(subject);
    if (known) return known;
    /** @type {(refusal: string|null) => void} */
    let settle = () => {};
    const answer = new Promise((/** @type {(refusal: string|null) => void} */ resolve) => { settle = resolve; });
    /** @type {Watch} */
    const watch = { phase: "wanted", answer, settle };
    this.#watches.set(subject, watch);
    return watch;
  }

  // Subscriptions of one turn of the event loop share their frames.
  #scheduleFlush(delay = 0) {
    if (this.#flushing) return;
    this.#flushing = true;
    setTimeout(() => {
      this.#flushing = false;
      if (this.#state.name === "live") this.#flush();
    }, delay);
  }

  // A subject never confirmed gets no cursor, thus a snapshot: a replay would skip a driver silent since.
  #flush() {
    this.#askFor([...this.#watches].filter(([, watch]) => watch.phase === "wanted"), null);
  }

  /** @param {[string, Watch][]} wanted @param {string|null} cursor */
  #askFor(wanted, cursor) {
    for (const chunk of chunked(wanted)) {
      const watches = new Map(chunk);
      for (const watch of watches.values()) if (watch.phase === "wanted") watch.phase = "asked";
      this.#ask(
        { subscribe: [...watches.keys()], cursor: cursor ?? undefined, max_rate_hz: this.#maxRateHz },
        { watches, resumes: cursor !== null });
    }
  }

  /** @param {unknown} data */
  #receive(data) {
    let frame;
    try {
      frame = JSON.parse(String(data));
    } catch {
      return this.#abandon("the server sent a frame that is not JSON");
    }
    const now = frame.now ?? frame.hello?.now;
    if (typeof now === "number") {
      // Each is too small by the frame's time under way, so the largest is the best.
      this.#offsets.push(now - Date.now());
      if (this.#offsets.length > clockSamples) this.#offsets.shift();
    }
    if (typeof frame.id === "number") return this.#answered(frame);
    if (frame.positions) this.#emit("positions", { positions: frame.positions, snapshot: false });
    for (const type of ["status", "left", "events"]) if (frame[type]) this.#emit(type, { [type]: frame[type] });
    if (frame.expiring) this.#emit("expiring", frame.expiring);
    if (frame.cursor) this.#cursor = frame.cursor;
  }

  /** @param {any} frame */
  #answered(frame) {
    const question = this.#questions.get(frame.id);
    if (!question) return;
    if (!frame.more) this.#questions.delete(frame.id);
    if (question.login) this.#loggedIn(frame);
    else if (question.watches) this.#subscribed(frame, question.watches, question.resumes);
  }

  /** @param {any} frame */
  #loggedIn(frame) {
    if (frame.error) {
      if (frame.error.retry) return this.#abandon(frame.error.message);
      this.#forgetSocket();
      return this.#finish(frame.error.code === "forbidden" ? 4403 : 4401, frame.error.message);
    }
    clearTimeout(this.#loginTimer);
    this.#liveSince = Date.now();
    this.#resume ??= this.#cursor;
    const held = [...this.#watches].filter(([, watch]) => watch.phase === "held");
    if (held.length === 0) this.#resume = null;
    this.#setState({ name: "live" });
    this.#askFor(held, this.#resume);
    this.#flush();
  }

  /** @param {any} frame @param {Map<string, Watch>} watches @param {boolean} [resumes] */
  #subscribed(frame, watches, resumes) {
    if (frame.error?.retry) {
      for (const watch of watches.values()) if (watch.phase === "asked") watch.phase = "wanted";
      if (resumes) return this.#abandon(frame.error.message);
      return this.#scheduleFlush(backoffBase * (1 + 2 * Math.random()));
    }
    for (const [subject, { recovered, positions }] of Object.entries(frame.subscribed ?? {})) {
      this.#emit("positions", { positions: positions ?? [], snapshot: !recovered, subject });
    }
    /** @type {Record<string, string>} */
    const refused = frame.error
      ? Object.fromEntries([...watches.keys()].map((subject) => [subject, frame.error.code]))
      : frame.refused ?? {};
    for (const [subject, code] of Object.entries(refused)) {
      const watch = watches.get(subject);
      // The caller may have let go of it, or asked anew, since.
      if (watch && this.#watches.get(subject) === watch) this.#watches.delete(subject);
      watch?.settle(code);
      watches.delete(subject);
    }
    if (Object.keys(refused).length > 0) this.#emit("refused", { refused });
    if (frame.more) return;
    // Only a complete snapshot may be resumed from.
    for (const watch of watches.values()) {
      watch.phase = "held";
      watch.settle(null);
    }
    if (frame.cursor) this.#cursor = frame.cursor;
    if (![...this.#questions.values()].some((other) => other.resumes)) this.#resume = null;
  }
}

/** @template T @param {T[]} all @returns {T[][]} */
function chunked(all) {
  const count = Math.ceil(all.length / subjectsPerFrame);
  return Array.from({ length: count }, (_, i) => all.slice(i * subjectsPerFrame, (i + 1) * subjectsPerFrame));
}
