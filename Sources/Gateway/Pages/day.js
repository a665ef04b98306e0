// A driver's day beside the fleet: which day, what it consisted of, and its way on the map at any time of it.

import { DayClock, dateAfter } from "./clock.js";
import { byId, say, setText } from "./page.js";
import { Refusal } from "./past.js";
import { Player } from "./player.js";
import { Trace } from "./trace.js";
import { Track } from "./track.js";
import { countWords, distanceWords, spanWords, speedWords } from "./words.js";

/** @typedef {import("./past.js").Day} Day */
/** @typedef {import("./past.js").Part} Part */

/** How often a day that goes on is asked for what is new, ms. */
const renewal = 15_000;

export class DayView {
  #driver = "";
  /** The date that is asked for; "" is today's, until the gateway has said which that is. */
  #date = "";
  /** @type {Day|null} */ #day = null;
  /** @type {DayClock|null} */ #clock = null;
  /** @type {Track} */ #track;
  /** @type {Trace|null} */ #trace = null;
  /** Ends the questions that are under way. */
  #questions = new AbortController();
  #renewTimer = 0;
  /** @type {Map<Part, HTMLElement>} */ #rows = new Map();
  /** @type {Part|undefined} */ #current;
  #player = new Player((time) => this.#show(time));

  /**
   * @param {any} map Leaflet's
   * @param {import("./past.js").Past} past
   * @param {number} gap how long a silence ends a way, ms
   * @param {() => number} serverNow epoch ms
   * @param {() => void} onOpen
   * @param {(driver: string) => void} onClose
   */
  constructor(map, past, gap, serverNow, onOpen, onClose) {
    this.map = map;
    this.past = past;
    this.gap = gap;
    this.serverNow = serverNow;
    this.onOpen = onOpen;
    this.onClose = onClose;
    this.#track = new Track(gap);
    byId("day-close").onclick = () => this.close();
    byId("day-again").onclick = () => this.#load();
    byId("day-before").onclick = () => this.#turn(-1);
    byId("day-after").onclick = () => this.#turn(1);
    byId("date").onchange = () => {
      // While it is being typed it may be no date, or one of another age.
      if (byId("date").value !== "" && byId("date").checkValidity()) this.#load(byId("date").value);
    };
    addEventListener("keydown", ({ key, defaultPrevented }) => {
      if (key === "Escape" && !defaultPrevented && this.isOpen && !byId("key-dialog").open) this.close();
    });
  }

  get isOpen() { return this.#driver !== ""; }

  /** @param {string} driver @param {string} [date] YYYY-MM-DD; none is today */
  open(driver, date = "") {
    if (driver === this.#driver && (date === "" || date === this.#date)) return;
    if (!this.isOpen) this.onOpen();
    this.#driver = driver;
    document.body.classList.add("replaying");
    byId("day").hidden = byId("player").hidden = false;
    this.map.invalidateSize({ animate: false });
    setText(byId("day-title"), driver);
    byId("date").value = date;
    byId("day-title").focus();
    this.#load(date);
  }

  /** Back to what is live. */
  close() {
    if (!this.isOpen) return;
    const driver = this.#driver;
    this.#clear();
    this.#driver = this.#date = "";
    document.body.classList.remove("replaying");
    byId("day").hidden = byId("player").hidden = true;
    this.map.invalidateSize({ animate: false });
    history.replaceState(null, "", location.pathname + location.search);
    this.onClose(driver);
  }

  /** Opens what the address names, `#driver=…&day=…`, or closes where it names nothing. */
  followAddress() {
    const fragment = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
    const driver = fragment.get("driver") ?? "";
    const date = fragment.get("day") ?? "";
    if (driver === "") this.close();
    else this.open(driver, /^\d{4}-\d\d-\d\d$/.test(date) ? date : "");
  }

  /** What browser tests see. */
  describe() {
    const drawn = this.#trace?.drawn;
    return {
      driver: this.#driver, date: this.#day?.date ?? "", phase: byId("day").dataset.phase ?? "",
      time: this.#player.time, isPlaying: this.#player.isPlaying, points: this.#track.points.length,
      lat: drawn?.lat ?? null, lng: drawn?.lng ?? null, parts: this.#day?.parts ?? [],
    };
  }

  /** @param {number} days */
  #turn(days) {
    if (this.#date !== "") this.#load(dateAfter(this.#date, days));
  }

  #clear() {
    this.#questions.abort();
    clearTimeout(this.#renewTimer);
    this.#player.clear();
    this.#trace?.remove();
    this.#trace = this.#day = null;
    this.#track = new Track(this.gap);
    this.#rows.clear();
    this.#current = undefined;
    byId("parts").replaceChildren();
  }

  async #load(date = this.#date) {
    this.#clear();
    this.#date = date;
    const { signal } = this.#questions = new AbortController();
    this.#tell("loading", "");
    setText(byId("day-summary"), "Loading …");
    try {
      const day = await this.past.day(this.#driver, date, signal);
      this.#begin(day);
      let view = this.#lookAt(null);
      await this.past.track(this.#driver, day, 0, signal, (points) => {
        this.#trace?.extend(this.#track.add(points));
        this.#stretch();
      });
      // Unless somebody has moved the map meanwhile.
      if (view === this.#viewNow()) view = this.#lookAt(null);
      this.#tell(day.pings > 0 ? "ready" : "empty", day.pings > 0 ? "" : this.#emptyWords(day));
      say(`${byId("day-summary").textContent}`);
      this.#renewLater();
    } catch (error) {
      if (signal.aborted) return;
      this.#refuse(error);
    }
  }

  // The day's parts are known, its way is not yet.
  /** @param {Day} day */
  #begin(day) {
    this.#day = day;
    this.#date = day.date;
    const clock = this.#clock = new DayClock(day.zone, day.from, day.to);
    const today = clock.date(this.serverNow());
    byId("date").value = day.date;
    byId("date").max = today;
    byId("day-after").disabled = day.date >= today;
    setText(byId("day-zone"), `Days and times of ${day.zone}`);
    history.replaceState(null, "", `${location.pathname}${location.search}#${new URLSearchParams({
      driver: this.#driver, day: day.date,
    })}`);
    this.#trace = new Trace(this.map, this.#track, (time) => this.#player.seek(time));
    this.#explain(day);
  }

  /** @param {Day} day */
  #explain(day) {
    const trips = day.parts.filter(({ kind }) => kind === "trip").length;
    const stops = day.parts.filter(({ kind }) => kind === "stop").length;
    setText(byId("day-summary"), day.pings === 0 ? "" : `${distanceWords(day.distance_m)} in `
      + `${countWords(trips, "trip")}, ${countWords(stops, "stop")}, ${countWords(day.pings, "ping")}`);
    this.#trace?.explain(day.parts);
    const list = byId("parts");
    const { scrollTop } = list;
    const held = [...list.children].findIndex((row) => row.contains(document.activeElement));
    this.#rows = new Map(day.parts.map((part) => [part, this.#rowOf(part)]));
    list.replaceChildren(...this.#rows.values());
    // Where a day has grown, the reader stays where it was.
    list.scrollTop = scrollTop;
    list.children[held]?.firstElementChild.focus({ preventScroll: true });
    this.#stretch();
  }

  // The slider reaches from the first that is known to the last, and no further.
  #stretch() {
    const parts = this.#day?.parts ?? [];
    const begins = [...parts.map(({ from }) => from), this.#track.from].filter(Boolean);
    if (begins.length === 0) return;
    const to = Math.max(...parts.map(({ to }) => to), this.#track.to);
    this.#player.span(Math.min(...begins), to);
    this.#player.explain(parts);
  }

  // A day that goes on grows.
  #renewLater() {
    const day = this.#day;
    if (!day || this.#clock?.date(this.serverNow()) !== day.date) return;
    this.#renewTimer = setTimeout(() => this.#renew(day.date), renewal);
  }

  /** @param {string} date */
  async #renew(date) {
    const { signal } = this.#questions;
    try {
      const day = await this.past.day(this.#driver, date, signal);
      if (day.pings > 0) this.#tell("ready", "");
      if (day.pings !== this.#day?.pings) {
        const wasAtEnd = this.#player.isAtEnd;
        const wasEmpty = this.#track.to === 0;
        this.#day = day;
        this.#explain(day);
        await this.past.track(this.#driver, day, this.#track.to, signal, (points) => {
          this.#trace?.extend(this.#track.add(points));
        });
        this.#stretch();
        if (wasAtEnd) this.#player.seek(this.#track.to);
        if (wasEmpty) this.#lookAt(null);
      }
    } catch (error) {
      // What is there stays, and there is a next time.
      if (!signal.aborted && error instanceof Refusal) this.#tell("ready", `Not up to date. ${error.message}`);
    }
    if (!signal.aborted) this.#renewLater();
  }

  // Shows where the driver was, and says it.
  /** @param {number} time epoch ms */
  #show(time) {
    const clock = this.#clock;
    const moment = this.#track.at(time);
    if (!clock || !moment) return { words: clock?.full(time) ?? "", silence: null };
    const part = this.#day?.parts.find(({ kind, from, to }) => kind !== "gap" && from <= time && time <= to);
    const { silence } = moment;
    const how = silence ? `no pings from ${clock.brief(silence.from)} to ${clock.brief(silence.to)}`
      : speedWords(moment.speed);
    // A phone that saves power says nothing while it stands.
    const where = !part ? "" : part.kind === "trip" ? ` · trip ${part.number}` : " · stop";
    const before = this.#trace?.drawn;
    this.#trace?.place(moment, `${clock.full(time)} · ${silence ? "no pings" : how}`);
    const view = this.map.getBounds();
    // It is not pulled back to who was out of view already: somebody looks elsewhere.
    if (before && view.contains(before) && !view.contains(moment)) this.map.panTo(moment, { animate: false });
    const isHere = (/** @type {Part} */ gap) => gap.kind === "gap" && gap.from <= time && time < gap.to;
    this.#mark(silence ? this.#day?.parts.find(isHere) : part);
    return { words: `${clock.full(time)} · ${how}${where}`, silence };
  }

  // Marks the part that the time is in.
  /** @param {Part|undefined} part */
  #mark(part) {
    if (part === this.#current) return;
    const row = (/** @type {Part|undefined} */ of) => of && this.#rows.get(of)?.firstElementChild;
    row(this.#current)?.removeAttribute("aria-current");
    row(part)?.setAttribute("aria-current", "true");
    // A part that is the same, only longer, is no reason to scroll.
    const isSame = this.#current?.kind === part?.kind && this.#current?.from === part?.from;
    this.#current = part;
    if (!isSame) row(part)?.scrollIntoView({ block: "nearest" });
  }

  /** @param {Part} part */
  #rowOf(part) {
    const { kind, from, to, number, distance_m = 0, max_speed } = part;
    const item = document.createElement("li");
    const button = document.createElement("button");
    const sign = document.createElement("span");
    const title = document.createElement("strong");
    const details = document.createElement("span");
    button.type = "button";
    sign.className = kind === "trip" ? `trip-number ${(number ?? 1) % 2 === 1 ? "odd" : "even"}` : `${kind}-sign`;
    sign.textContent = kind === "trip" ? String(number) : "";
    sign.ariaHidden = "true";
    const span = spanWords(to - from);
    title.textContent = { trip: `Trip ${number}, ${distanceWords(distance_m)}`, stop: `Stop, ${span}`,
      gap: `No pings, ${span}` }[kind];
    const times = `${this.#clock?.brief(from)}–${this.#clock?.brief(to)}`;
    const fastest = typeof max_speed === "number" ? ` · max ${speedWords(max_speed)}` : "";
    details.textContent = kind === "trip" ? `${times} · ${span}${fastest}` : times;
    button.append(sign, title, details);
    button.onclick = () => {
      this.#player.pause();
      this.#player.seek(from);
      this.#lookAt(part);
    };
    item.append(button);
    return item;
  }

  // Brings a part of the day, or all of it, into view, and says which view that is.
  /** @param {Part|null} part */
  #lookAt(part) {
    const places = (this.#day?.parts ?? []).filter(({ kind }) => kind === "stop");
    const bounds = this.#trace?.boundsOf(part?.from ?? 0, part?.to ?? Infinity)
      ?? (places.length > 0 ? L.latLngBounds(places) : null);
    if (bounds) this.map.fitBounds(bounds, { padding: [40, 40], maxZoom: 17, animate: false });
    return this.#viewNow();
  }

  #viewNow() { return `${this.map.getCenter()} ${this.map.getZoom()}`; }

  /** @param {unknown} error */
  #refuse(error) {
    const isKnown = error instanceof Refusal;
    const words = isKnown ? error.message : `This day cannot be shown: ${error}`;
    const until = this.#track.to > 0 ? ` Shown until ${this.#clock?.brief(this.#track.to)}.` : "";
    if (!this.#day) setText(byId("day-summary"), "");
    this.#tell("refused", words + until);
    byId("day-again").hidden = isKnown && !error.mayRetry;
  }

  /** @param {Day} day */
  #emptyWords(day) {
    return day.date === this.#clock?.date(this.serverNow()) ? `No pings of ${this.#driver} today yet.`
      : `No pings of ${this.#driver} are kept of this day.`;
  }

  /** @param {"loading"|"ready"|"empty"|"refused"} phase @param {string} words */
  #tell(phase, words) {
    byId("day").dataset.phase = phase;
    setText(byId("day-notice"), words);
    byId("day-notice").hidden = words === "";
    byId("day-again").hidden = true;
  }
}
