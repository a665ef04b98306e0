// What the gateway keeps of a driver's past: what a day consists of, and its track, which is handed on as it comes in.

/**
 * Instants are epoch ms, lengths of time seconds, distances metres, speeds m/s.
 * @typedef {{kind: "trip"|"stop"|"gap", from: number, to: number, distance_m?: number, max_speed?: number,
 *   pings?: number, lat?: number, lng?: number, number?: number}} Part
 *
 * A day of the history's zone, with its parts in order. `number` counts the trips from 1.
 * @typedef {{date: string, zone: string, from: number, to: number, pings: number, distance_m: number,
 *   parts: Part[]}} Day
 *
 * One ping; `heading` in degrees clockwise from north.
 * @typedef {{at: number, lat: number, lng: number, speed: number|null, heading: number|null}} Point
 */

/** Far more than a screen can show, and little to hold: a denser day is thinned by the gateway. */
const mostPoints = 20_000;

/** Why the past was not told, in words for whoever reads the page. */
export class Refusal extends Error {
  /** @param {string} words @param {boolean} mayRetry whether the same question may be answered later */
  constructor(words, mayRetry) {
    super(words);
    this.mayRetry = mayRetry;
  }
}

export class Past {
  /** @param {() => string} token the key or token to ask with */
  constructor(token) { this.token = token; }

  // What a day consists of; "" is today. Throws a Refusal, or what the signal was aborted with.
  /** @param {string} driver @param {string} date YYYY-MM-DD @param {AbortSignal} signal @returns {Promise<Day>} */
  async day(driver, date, signal) {
    const query = date === "" ? "" : `?date=${date}`;
    const response = await this.#ask(driver, `trips${query}`, "application/json", signal);
    return dayOf(await response.json().catch(() => { throw lost(signal); }));
  }

  // The day's pings in order of time; of a day with more than can be shown, some of them, evenly in time.
  /** @param {string} driver @param {Day} day @param {number} since only pings of then and later; 0 for all
   * @param {AbortSignal} signal @param {(points: Point[]) => void} take */
  async track(driver, day, since, signal, take) {
    const query = new URLSearchParams({
      format: "ndjson", from: new Date(Math.max(day.from, since)).toISOString(), to: new Date(day.to).toISOString(),
    });
    const length = (day.to - day.from) / 1000;
    if (day.pings > mostPoints) query.set("every_s", String(Math.ceil(length / mostPoints)));
    const response = await this.#ask(driver, `history?${query}`, "application/x-ndjson", signal);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const part = await reader?.read().catch(() => { throw lost(signal); });
      const lines = (rest + (part?.value ?? "")).split("\n");
      rest = part?.done === false ? lines.pop() ?? "" : "";
      const points = lines.filter(Boolean).map(pointOf);
      if (points.length > 0) take(points);
      if (part?.done !== false) return;
    }
  }

  /** @param {string} driver @param {string} question @param {string} type @param {AbortSignal} signal */
  async #ask(driver, question, type, signal) {
    const headers = { Authorization: `Bearer ${this.token()}`, Accept: type };
    const response = await fetch(`/v1/drivers/${encodeURIComponent(driver)}/${question}`, {
      headers, signal, cache: "no-store",
    }).catch(() => { throw lost(signal, "The gateway cannot be reached."); });
    if (response.ok) return response;
    const { detail = "", title = "" } = await response.json().catch(() => ({}));
    throw new Refusal(refusalOf(response.status, detail || title, driver), response.status >= 429);
  }
}

// An end that nobody asked for, unless somebody did.
/** @param {AbortSignal} signal */
function lost(signal, words = "The connection was lost before all had come.") {
  return signal.aborted ? signal.reason : new Refusal(words, true);
}

/** @param {number} status @param {string} detail @param {string} driver */
function refusalOf(status, detail, driver) {
  if (status === 401) return "This key is not known, or it has expired. Enter another one.";
  if (status === 403) {
    return detail.includes("history:read")
      ? "This key lacks the permission history:read, without which nobody’s day can be shown."
      : `This key may not see “${driver}”.`;
  }
  if (status === 404) return `Nothing is known of “${driver}”.`;
  if (status === 429 || status === 503) return "The gateway has too much to do just now. Try again in a moment.";
  return `The gateway answered ${status}: ${detail}`;
}

// Instants come as RFC 3339.
/** @param {string|number} text */
const instant = (text) => new Date(text).getTime();

/** @param {any} reply @returns {Day} */
function dayOf(reply) {
  const { date, time_zone, from, to, pings, distance_m } = reply;
  const part = (/** @type {Part["kind"]} */ kind) => (/** @type {any} */ given) =>
    ({ ...given, kind, from: instant(given.from), to: instant(given.to) });
  const trips = reply.trips.map(part("trip")).map((/** @type {Part} */ trip, /** @type {number} */ index) =>
    ({ ...trip, number: index + 1 }));
  const parts = [...trips, ...reply.stops.map(part("stop")), ...reply.gaps.map(part("gap"))];
  parts.sort((a, b) => a.from - b.from || a.to - b.to);
  return { date, zone: time_zone, from: instant(from), to: instant(to), pings, distance_m, parts };
}

/** @param {string} line @returns {Point} */
function pointOf(line) {
  const { recorded_at, lat, lng, speed = null, heading = null } = JSON.parse(line);
  return { at: instant(recorded_at), lat, lng, speed, heading };
}
