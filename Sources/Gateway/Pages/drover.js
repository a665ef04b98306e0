// Drover's live positions, for any runtime with WebSocket and EventTarget. Served in one piece with its parts.
//
//   import { DroverClient, Glide } from "/drover.js";
//   const client = new DroverClient({ token: "…" });
//   const vans = new Map();
//   client.on("positions", ({ positions }) => positions.forEach((position) => {
//     const van = vans.get(position.driver_id);
//     if (van) van.move(position, performance.now());
//     else vans.set(position.driver_id, new Glide(position, performance.now()));
//   }));
//   client.connect();
//   await client.subscribe(["driver:van-1"]);
//
// The protocol is `drover.v1`, see /asyncapi.yaml; the types stand in /drover.d.ts. What is watched survives every
// reconnection, and the stream's cursor resumes it, so that nothing is missed where the server still remembers.

import { Seen } from "./seen.js";
import { Backoff, ServerClock, Surroundings, mayRetry } from "./timing.js";

/**
 * @typedef {import("./drover.js").Position} Position
 * @typedef {import("./drover.js").Status} Status
 * @typedef {import("./drover.js").Arrival} Arrival
 * @typedef {import("./drover.js").State} State
 * @typedef {import("./drover.js").Terms} Terms
 *
 * One subject the caller wants. `held`: the server has confirmed it, so the cursor covers it.
 * @typedef {{phase: "wanted"|"asked"|"held", answer: Promise<string|null>,
 *   settle: (refusal: string|null) => void}} Watch
 *
 * A frame that awaits its answer; `resumes` marks one that carried the cursor.
 * @typedef {{login?: "first"|"renewal", watches?: Map<string, Watch>, resumes?: boolean}} Question
 */

/** After a connection that lasted this long the retries start from the shortest pause again, ms. */
const settledAfter = 10_000;
/** From opening the socket to the answered login; the server waits 5 s for the token. */
const loginTimeout = 15_000;
/** Far below the 16 KiB of a frame, and one refused for want of room takes few others with it. */
const subjectsPerFrame = 50;

/** The live endpoint of the server that this page came from: http becomes ws, https wss. */
const ownEndpoint = () => new URL("/v1/track", globalThis.location.href).href.replace(/^http/, "ws");

/** Its events, all `CustomEvent`s, are those of `DroverEvents` in /drover.d.ts. */
export class DroverClient extends EventTarget {
  #url;
  #token;
  #maxRateHz;
  /** @type {State} */ #state = { name: "closed", reason: "not connected yet" };
  /** @type {WebSocket|null} */ #socket = null;
  #liveSince = 0;
  #backoff = new Backoff();
  #clock = new ServerClock();
  #surroundings = new Surroundings(() => {
    if (this.#state.name === "waiting") this.#open();
  }, (reason) => {
    if (this.#socket) this.#abandon(reason);
  });
  #nextId = 1;
  #flushing = false;
  /** @type {Map<string, Watch>} */ #watches = new Map();
  /** @type {Map<number, Question>} */ #questions = new Map();
  #seen = new Seen((subject) => this.#watches.has(subject));
  /** @type {Terms} */ #terms = { expires_at: null, subjects: null };
  /** @type {{resolve: (terms: Terms) => void, reject: (error: Error) => void}[]} */ #renewals = [];
  /** @type {string|null} */ #cursor = null;
  // What a resumption still needs: pushes move the newest cursor on before all is resumed.
  /** @type {string|null} */ #resume = null;
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

  /** What the token is good for, as the last log-in said. */
  get terms() { return this.#terms; }

  /** Server clock minus this device's clock, ms; 0 until the server has spoken. */
  get clockOffset() { return this.#clock.offset; }

  /** The server's time, epoch ms: less a `recorded_at` it is an honest age. */
  serverNow() { return Date.now() + this.clockOffset; }

  /** Opens the connection and keeps it open until `close()` or a refusal that a retry cannot mend. */
  connect() {
    if (this.#state.name !== "closed") return;
    this.#surroundings.watch();
    this.#backoff.reset();
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
      const phase = this.#watches.get(subject)?.phase;
      if (phase && phase !== "wanted") known.push(subject);
      this.#letGo(subject, "unsubscribed");
    }
    if (this.#state.name !== "live") return;
    for (const chunk of chunked(known)) this.#ask({ unsubscribe: chunk }, {});
  }

  /**
   * Goes on with another token, without a break where the connection is open. Resolves once the server has taken it,
   * and rejects where it does not, which ends the connection.
   * @param {string} token
   * @returns {Promise<Terms>}
   */
  renew(token) {
    this.#token = token;
    this.#terms = { ...this.#terms, expires_at: null };
    if (this.#state.name === "live") this.#ask({ token }, { login: "renewal" });
    return new Promise((resolve, reject) => { this.#renewals.push({ resolve, reject }); });
  }

  #open() {
    clearTimeout(this.#retryTimer);
    // Whose permission has ended asks for nothing any more.
    if (this.#timeLeft() <= 0) return this.#finish(4401, "the session has ended");
    this.#setState({ name: "connecting" });
    const socket = new WebSocket(this.#url, ["drover.v1"]);
    this.#socket = socket;
    socket.onopen = () => {
      this.#clock.reset();
      this.#ask({ token: this.#token }, { login: "first" });
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
    this.#seen.abort();
    for (const watch of this.#watches.values()) if (watch.phase === "asked") watch.phase = "wanted";
    if (!mayRetry(code)) return this.#finish(code, reason);
    if (this.#state.name === "live" && Date.now() - this.#liveSince >= settledAfter) this.#backoff.reset();
    const delay = Math.max(0, Math.min(this.#backoff.next(code), this.#timeLeft()));
    this.#retryTimer = setTimeout(() => this.#open(), delay);
    this.#setState({ name: "waiting", retryAt: Date.now() + delay, code, reason });
  }

  /** @param {number} code @param {string} reason */
  #finish(code, reason) {
    clearTimeout(this.#loginTimer);
    clearTimeout(this.#retryTimer);
    this.#surroundings.leave();
    this.#questions.clear();
    for (const [subject, watch] of this.#watches) {
      if (watch.phase === "held") continue;
      this.#watches.delete(subject);
      watch.settle("closed");
    }
    for (const { reject } of this.#renewals.splice(0)) reject(new Error(`closed with ${code}: ${reason}`));
    this.#setState({ name: "closed", code, reason });
  }

  /** Until the permission ends, ms; Infinity where it does not. */
  #timeLeft() { return (this.#terms.expires_at ?? Infinity) - this.serverNow(); }

  /** @param {State} state */
  #setState(state) { this.#emit("state", this.#state = state); }

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

  // Watches a subject no longer, for a reason, and tells who is seen no more.
  /** @param {string} subject @param {string} reason */
  #letGo(subject, reason) {
    const watch = this.#watches.get(subject);
    this.#watches.delete(subject);
    watch?.settle(reason);
    this.#tellLeft(this.#seen.drop(subject));
  }

  /** @param {import("./seen.js").Departure[]} left */
  #tellLeft(left) {
    if (left.length > 0) this.#emit("left", { left });
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
    try { frame = JSON.parse(String(data)); } catch {
      return this.#abandon("the server sent a frame that is not JSON");
    }
    this.#clock.heard(frame.now ?? frame.hello?.now);
    if (typeof frame.id === "number") return this.#answered(frame);
    if (frame.positions) this.#emit("positions", { positions: this.#seen.admit(frame.positions), snapshot: false });
    if (frame.status) this.#emit("status", { status: this.#seen.admit(frame.status) });
    if (frame.arrivals) {
      const arrivals = frame.arrivals.filter((/** @type {Arrival} */ { subject }) => this.#watches.has(subject));
      this.#emit("arrivals", { arrivals });
    }
    if (frame.left) this.#tellLeft(this.#seen.leave(frame.left));
    if (frame.events) {
      this.#emit("events", { events: frame.events });
      for (const { type, subject } of frame.events) if (type === "ended") this.#letGo(subject, "ended");
    }
    if (frame.recovered === false) this.#emit("missed", { subjects: frame.subjects });
    if (frame.expiring) this.#emit("expiring", frame.expiring);
    if (frame.cursor) this.#cursor = frame.cursor;
  }

  /** @param {any} frame */
  #answered(frame) {
    const question = this.#questions.get(frame.id);
    if (!question) return;
    if (!frame.more) this.#questions.delete(frame.id);
    if (question.login) this.#loggedIn(frame, question.login);
    else if (question.watches) this.#subscribed(frame, question.watches, question.resumes);
  }

  /** @param {any} frame @param {"first"|"renewal"} login */
  #loggedIn(frame, login) {
    if (frame.error) {
      if (frame.error.retry) return this.#abandon(frame.error.message);
      this.#forgetSocket();
      return this.#finish(frame.error.code === "forbidden" ? 4403 : 4401, frame.error.message);
    }
    this.#terms = { expires_at: frame.expires_at ?? null, subjects: frame.subjects ?? null };
    for (const { resolve } of this.#renewals.splice(0)) resolve(this.#terms);
    if (login === "renewal") return this.#emit("renewed", this.#terms);
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
      return this.#scheduleFlush(Backoff.shortly());
    }
    for (const [subject, { recovered, positions = [] }] of Object.entries(frame.subscribed ?? {})) {
      if (!recovered) this.#seen.begin(subject);
      this.#emit("positions", { positions: this.#seen.admit(positions), snapshot: !recovered, subject });
    }
    /** @type {Record<string, string>} */
    const refused = frame.error
      ? Object.fromEntries([...watches.keys()].map((subject) => [subject, frame.error.code]))
      : frame.refused ?? {};
    for (const [subject, code] of Object.entries(refused)) {
      const watch = watches.get(subject);
      // The caller may have let go of it, or asked anew, since.
      if (watch && this.#watches.get(subject) === watch) this.#letGo(subject, code);
      watch?.settle(code);
      watches.delete(subject);
    }
    if (Object.keys(refused).length > 0) this.#emit("refused", { refused });
    if (frame.more) return;
    // Only a complete snapshot may be resumed from.
    for (const [subject, watch] of watches) {
      watch.phase = "held";
      watch.settle(null);
      this.#tellLeft(this.#seen.finish(subject));
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
