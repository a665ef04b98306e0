// A driver's day on the map: its way, coloured trip by trip, its stops, and where the driver was at one time of it.

import { setText } from "./page.js";
import { overlap, showHeading, vanShape } from "./markers.js";
import { spanWords } from "./words.js";

/** @typedef {import("./past.js").Part} Part */
/** @typedef {import("./past.js").Point} Point */
/** @typedef {import("./track.js").Track} Track */
/** @typedef {import("./track.js").Moment} Moment */

/** Half of a stop's sign, px; its length stands to the right of it. */
const halfSign = 8;
/** @typedef {import("./markers.js").Box} Box */

export class Trace {
  // Thousands of points are cheap on a canvas, and dear as elements of the page.
  #canvas = L.canvas({ padding: 0.5 });
  #layer = L.layerGroup();
  /** Each line and what it is: its style follows the colour scheme. */
  /** @type {Map<any, string>} */ #lines = new Map();
  /** @type {{stop: Part, marker: any}[]} */ #stops = [];
  /** @type {Part[]} */ #parts = [];
  /** Trips whose number is not on the map yet: each stands at the trip's middle, once that is known. */
  /** @type {Part[]} */ #unnumbered = [];
  /** @type {any[]} */ #numbers = [];
  /** @type {Point|null} */ #last = null;
  /** The driver at the time that is looked at. */
  #marker;
  #element = document.createElement("div");
  #label = document.createElement("span");
  #turn = 0;

  /** @param {any} map Leaflet's @param {Track} track @param {(time: number) => void} onPick */
  constructor(map, track, onPick) {
    this.map = map;
    this.track = track;
    this.onPick = onPick;
    this.#element.className = "van replay";
    this.#label.className = "van-label";
    this.#element.append(vanShape(), this.#label);
    const icon = L.divIcon({ className: "van-icon", html: this.#element, iconSize: [36, 36] });
    this.#marker = L.marker([0, 0], { icon, interactive: false, keyboard: false, zIndexOffset: 2000 });
    this.#layer.addTo(map);
    map.on("zoomend", this.#arrange);
    darkness.addEventListener("change", this.#repaint);
  }

  /** Takes all of it off the map. */
  remove() {
    this.map.off("zoomend", this.#arrange);
    darkness.removeEventListener("change", this.#repaint);
    this.#layer.remove();
    this.#canvas.remove();
  }

  // What the day consists of, known before its way.
  /** @param {Part[]} parts */
  explain(parts) {
    this.#parts = parts;
    this.#unnumbered = parts.filter(({ kind }) => kind === "trip");
    for (const marker of this.#numbers.splice(0)) marker.remove();
    for (const { marker } of this.#stops) marker.remove();
    this.#stops = parts.filter(({ kind }) => kind === "stop").map((stop) => {
      const element = document.createElement("div");
      const length = document.createElement("span");
      element.className = "stop";
      length.textContent = spanWords(stop.to - stop.from);
      element.append(length);
      const icon = L.divIcon({ className: "stop-icon", html: element, iconSize: [14, 14] });
      const marker = L.marker([stop.lat, stop.lng], { icon, keyboard: false, zIndexOffset: 1000 })
        .addTo(this.#layer);
      marker.on("click", () => this.onPick(stop.from));
      return { stop, marker };
    });
    this.#arrange();
    for (const point of this.track.points) this.#number(point);
  }

  // Draws on, from the last point that was drawn. Each piece is a line of its own, so that what is there stays.
  /** @param {Point[]} points */
  extend(points) {
    /** @type {[number, number][]} */ let piece = [];
    let kind = "";
    for (const point of points) {
      const last = this.#last;
      this.#last = point;
      if (!last) continue;
      const next = this.track.isBroken(last, point) ? "gap" : this.#kindAt((last.at + point.at) / 2);
      if (next !== kind) {
        this.#draw(piece, kind);
        piece = [[last.lat, last.lng]];
        kind = next;
      }
      piece.push([point.lat, point.lng]);
      this.#number(point);
    }
    this.#draw(piece, kind);
  }

  // Puts the driver where it was, facing as it did, with words beside it.
  /** @param {Moment} moment @param {string} words */
  place(moment, words) {
    const { lat, lng, heading, silence } = moment;
    this.#element.dataset.state = silence ? "stale" : "live";
    if (heading !== null) this.#turn += ((heading - this.#turn) % 360 + 540) % 360 - 180;
    showHeading(this.#element, { position: { heading: heading ?? undefined }, turn: this.#turn });
    setText(this.#label, words);
    this.#marker.setLatLng([lat, lng]);
    if (!this.map.hasLayer(this.#marker)) this.#marker.addTo(this.#layer);
  }

  /** Where the driver is drawn; null where it is not. */
  get drawn() { return this.map.hasLayer(this.#marker) ? this.#marker.getLatLng() : null; }

  // The box around all that was on the way between two times; null where nothing is known.
  /** @param {number} from @param {number} to */
  boundsOf(from, to) {
    const within = this.track.points.filter(({ at }) => at >= from && at <= to);
    return within.length > 0 ? L.latLngBounds(within) : null;
  }

  /** @param {number} time @returns {string} the kind of line */
  #kindAt(time) {
    const part = this.#parts.find(({ kind, from, to }) => kind === "trip" && from <= time && time <= to);
    return part ? (part.number ?? 1) % 2 === 1 ? "odd" : "even" : "rest";
  }

  /** @param {[number, number][]} piece @param {string} kind */
  #draw(piece, kind) {
    if (piece.length < 2) return;
    // A line in the ground's colour below keeps it apart from what it crosses.
    const kinds = kind === "gap" || kind === "rest" ? [kind] : ["edge", kind];
    for (const each of kinds) {
      const line = L.polyline(piece, { renderer: this.#canvas, interactive: false, ...styleOf(each) });
      this.#lines.set(line.addTo(this.#layer), each);
      if (each === "edge") line.bringToBack();
    }
  }

  /** @param {Point} point */
  #number(point) {
    const trip = this.#unnumbered[0];
    if (!trip || point.at < (trip.from + trip.to) / 2) return;
    this.#unnumbered.shift();
    const element = document.createElement("div");
    element.className = `trip-number ${(trip.number ?? 1) % 2 === 1 ? "odd" : "even"}`;
    element.textContent = String(trip.number);
    const icon = L.divIcon({ className: "stop-icon", html: element, iconSize: [20, 20] });
    const marker = L.marker([point.lat, point.lng], { icon, keyboard: false, zIndexOffset: 1500 }).addTo(this.#layer);
    marker.on("click", () => this.onPick(trip.from));
    this.#numbers.push(marker);
  }

  // The longest stops tell their length where there is room; the others are a square that tells when pointed at.
  #arrange = () => {
    // Everything is measured before anything is changed, which costs one layout.
    const placed = this.#stops.map(({ stop, marker }) => {
      const { x, y } = this.map.latLngToLayerPoint(marker.getLatLng());
      const element = marker.getElement().firstElementChild;
      const width = element.lastElementChild.offsetWidth || element.lastElementChild.textContent.length * 8;
      return {
        element, length: stop.to - stop.from,
        sign: { left: x - halfSign, right: x + halfSign, top: y - halfSign, bottom: y + halfSign },
        words: { left: x + halfSign, right: x + 2 * halfSign + width, top: y - halfSign, bottom: y + halfSign },
      };
    });
    /** @type {Box[]} */
    const kept = [];
    for (const { element, sign, words } of placed.sort((a, b) => b.length - a.length)) {
      const hasRoom = !kept.some((other) => overlap(words, other))
        && !placed.some((other) => other.sign !== sign && overlap(words, other.sign));
      if (hasRoom) kept.push(words);
      element.classList.toggle("short", !hasRoom);
    }
  };

  #repaint = () => {
    for (const [line, kind] of this.#lines) line.setStyle(styleOf(kind));
  };
}

const darkness = matchMedia("(prefers-color-scheme: dark)");

// A canvas takes no style sheet: the colours are read from it.
/** @param {string} kind */
function styleOf(kind) {
  const sheet = getComputedStyle(document.documentElement);
  const color = sheet.getPropertyValue(`--way-${kind}`).trim();
  if (kind === "gap") return { color, weight: 2, opacity: 1, dashArray: "2 7" };
  return { color, weight: { edge: 8, rest: 3 }[kind] ?? 4, opacity: 1 };
}
