// A rectangle drawn on the map: only who is inside is listed and shown. By mouse and finger it is dragged open; by
// keyboard arrows move it, Shift and arrows size it, Enter takes it, Escape leaves it.

import { byId, say } from "./page.js";

/** @typedef {import("/drover.js").Position} Position */
/** @typedef {{left: number, top: number, width: number, height: number}} Rectangle px */

/** What an arrow key moves or sizes it by, px. */
const step = 20;
/** A drag over less is a slip of the hand, px. */
const smallest = 8;

export class AreaFilter {
  #sheet = document.createElement("div");
  #frame = document.createElement("div");
  /** @type {Rectangle} */ #drawn = { left: 0, top: 0, width: 0, height: 0 };
  /** @type {{x: number, y: number}|null} */ #from = null;
  /** @type {any} */ #outline = null;
  /** What is chosen, Leaflet's bounds; null for everywhere. */
  /** @type {any} */ bounds = null;

  /** @param {any} map Leaflet's @param {() => void} onChange */
  constructor(map, onChange) {
    this.map = map;
    this.onChange = onChange;
    this.#sheet.className = "area-sheet";
    this.#sheet.tabIndex = 0;
    this.#sheet.hidden = true;
    this.#sheet.setAttribute("role", "application");
    this.#sheet.setAttribute("aria-label", "Area: arrows move it, Shift and arrows size it, Enter takes it, Escape"
      + " leaves it");
    this.#frame.className = "area-frame";
    this.#sheet.append(this.#frame);
    // Not within the map's element, which would take the drags.
    byId("stage").append(this.#sheet);
    this.#sheet.onpointerdown = (event) => {
      this.#sheet.setPointerCapture(event.pointerId);
      this.#from = this.#pointOf(event);
      this.#show({ left: this.#from.x, top: this.#from.y, width: 0, height: 0 });
    };
    this.#sheet.onpointermove = (event) => this.#stretch(this.#pointOf(event));
    this.#sheet.onpointerup = () => {
      this.#from = null;
      if (Math.min(this.#drawn.width, this.#drawn.height) >= smallest) this.#take();
      else this.#begin();
    };
    this.#sheet.onpointercancel = () => this.cancel();
    this.#sheet.onkeydown = (event) => this.#press(event);
    byId("area").onclick = () => {
      if (this.isDrawing) this.cancel();
      else if (this.bounds) this.clear();
      else this.#begin();
    };
  }

  get isDrawing() { return !this.#sheet.hidden; }

  /** Whether a position lies within, however often the map goes round the world. */
  /** @param {Position} position */
  admits({ lat, lng }) {
    const { bounds } = this;
    return bounds === null || [0, 360, -360].some((turn) => bounds.contains([lat, lng + turn]));
  }

  /** The subject for who is within; a box may span the antimeridian. */
  get subject() {
    const wrap = (/** @type {number} */ lng) => ((lng + 180) % 360 + 360) % 360 - 180;
    const { bounds } = this;
    const isAround = bounds.getEast() - bounds.getWest() >= 360;
    const [west, east] = isAround ? [-180, 180] : [wrap(bounds.getWest()), wrap(bounds.getEast())];
    const south = Math.max(-90, bounds.getSouth());
    const north = Math.min(90, bounds.getNorth());
    return `area:${[south, west, north, east].map((degrees) => degrees.toFixed(6)).join(",")}`;
  }

  /** Shows everywhere again. */
  clear() {
    if (!this.bounds) return;
    this.#forget();
    say("All of the map.");
    this.onChange();
  }

  /** Leaves without an area. */
  cancel() {
    this.#sheet.hidden = true;
    this.#from = null;
    this.#tell();
    byId("area").focus();
  }

  #forget() {
    this.#outline?.remove();
    this.#outline = this.bounds = null;
    this.#tell();
  }

  #begin() {
    const { x, y } = this.map.getSize();
    this.#sheet.hidden = false;
    this.#show({ left: x / 4, top: y / 4, width: x / 2, height: y / 2 });
    this.#sheet.classList.add("waiting");
    this.#tell();
    this.#sheet.focus();
  }

  #take() {
    const { left, top, width, height } = this.#drawn;
    this.#sheet.hidden = true;
    this.#outline?.remove();
    this.bounds = L.latLngBounds(
      this.map.containerPointToLatLng([left, top + height]), this.map.containerPointToLatLng([left + width, top]));
    this.#outline = L.rectangle(this.bounds, { className: "area-outline", interactive: false }).addTo(this.map);
    this.#tell();
    byId("area").focus();
    this.onChange();
  }

  #tell() {
    byId("area").textContent = this.isDrawing ? "Cancel" : this.bounds ? "Clear area" : "Draw area";
    byId("area").setAttribute("aria-pressed", String(this.isDrawing || this.bounds !== null));
  }

  /** @param {PointerEvent} event */
  #pointOf({ clientX, clientY }) {
    const { left, top } = this.#sheet.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  }

  /** @param {{x: number, y: number}} to */
  #stretch({ x, y }) {
    const from = this.#from;
    if (!from) return;
    this.#sheet.classList.remove("waiting");
    this.#show({
      left: Math.min(from.x, x), top: Math.min(from.y, y), width: Math.abs(x - from.x), height: Math.abs(y - from.y),
    });
  }

  /** @param {Rectangle} rectangle */
  #show(rectangle) {
    this.#drawn = rectangle;
    for (const [side, length] of Object.entries(rectangle)) this.#frame.style.setProperty(side, `${length}px`);
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (event.key === "Enter") this.#take();
    else if (event.key === "Escape") this.cancel();
    else if (x === 0 && y === 0) return;
    const { left, top, width, height } = this.#drawn;
    this.#sheet.classList.remove("waiting");
    if (event.shiftKey) {
      this.#show({
        left, top, width: Math.max(step, width + x * step), height: Math.max(step, height + y * step),
      });
    } else this.#show({ left: left + x * step, top: top + y * step, width, height });
    event.preventDefault();
    event.stopPropagation();
  }
}
