// The drivers as a list beside the map, which is also the map for whoever cannot see it. Of thousands only the rows in
// sight are elements; a screen reader is told how many there are and which one it is at.

import { setText } from "./page.js";
import { showState, signElement } from "./fleet-signs.js";
import { ageWords, reasonInShort, sinceWords, speedWords } from "./words.js";

/** @typedef {import("./fleet-drivers.js").Driver} Driver */
/** @typedef {import("./fleet-drivers.js").FleetDrivers} FleetDrivers */
/** @typedef {{item: HTMLElement, sign: Element, name: HTMLElement, details: HTMLElement}} Row */

/** Height of a row, px; the style sheet has the same. */
const rowHeight = 46;
/** Rows beyond what is in sight that are ready, on each side. */
const spare = 4;
const byName = new Intl.Collator(undefined, { numeric: true });

export class FleetList {
  /** Every driver's id in order. */
  /** @type {string[]} */ #sorted = [];
  /** Those that are listed. */
  /** @type {string[]} */ #ids = [];
  /** @type {Map<string, Row>} */ #rows = new Map();
  #changes = -1;
  #search = "";
  #chosen = "";
  /** Where the keyboard is. */
  #active = "";

  /** @param {HTMLElement} list @param {FleetDrivers} drivers @param {(driver: Driver) => boolean} isShown
   * @param {(id: string) => void} onPick */
  constructor(list, drivers, isShown, onPick) {
    this.list = list;
    this.drivers = drivers;
    this.isShown = isShown;
    this.onPick = onPick;
    list.addEventListener("scroll", () => this.#render(), { passive: true });
    list.addEventListener("keydown", (event) => this.#press(event));
    list.addEventListener("click", ({ target }) => {
      const id = target instanceof Element ? target.closest("li")?.dataset.id : undefined;
      if (id === undefined) return;
      this.#active = id;
      this.onPick(id);
    });
    list.addEventListener("focus", () => {
      if (this.#active === "") this.#active = this.#chosen || (this.#ids[0] ?? "");
      this.#render();
    });
    new ResizeObserver(() => this.#render()).observe(list);
  }

  /** How many are listed. */
  get length() { return this.#ids.length; }

  /** Brings the list up to who is there, whom the filters leave, and how they are. */
  refresh() {
    if (this.#changes !== this.drivers.changes) {
      this.#changes = this.drivers.changes;
      // Who stays is in order already; a merge of two sorted lists is what the engine's sort makes of it.
      const kept = this.#sorted.filter((id) => this.drivers.get(id));
      const known = new Set(kept);
      const come = [...this.drivers.all()].map(({ id }) => id).filter((id) => !known.has(id)).sort(byName.compare);
      this.#sorted = come.length === 0 ? kept : kept.concat(come).sort(byName.compare);
    }
    this.#ids = this.#sorted.filter((id) => {
      const driver = this.drivers.get(id);
      return driver !== undefined && this.isShown(driver) && this.#matches(id);
    });
    this.#render();
  }

  // Lists only the drivers whose id contains the text.
  /** @param {string} search */
  filter(search) {
    this.#search = search.trim().toLowerCase();
    this.refresh();
  }

  /** The driver that the search names in full, else the first that it leaves. */
  get firstMatch() { return this.#ids.find((id) => id.toLowerCase() === this.#search) ?? this.#ids[0]; }

  /** @param {string} id "" for none */
  choose(id) {
    this.#chosen = id;
    if (id !== "") {
      this.#active = id;
      this.#scrollTo(id);
    }
    this.#render();
  }

  // Gives the keyboard to a driver's row.
  /** @param {string} id */
  focus(id) {
    if (this.#ids.includes(id)) this.#active = id;
    this.#scrollTo(this.#active);
    this.list.focus();
  }

  /** @param {string} id */
  #matches(id) { return id.toLowerCase().includes(this.#search); }

  #render() {
    const { list } = this;
    const count = this.#ids.length;
    list.style.setProperty("--rows", `${count * rowHeight}px`);
    const first = Math.max(0, Math.floor(list.scrollTop / rowHeight) - spare);
    const last = Math.min(count, Math.ceil((list.scrollTop + list.clientHeight) / rowHeight) + spare);
    const active = this.#ids.indexOf(this.#active);
    const places = Array.from({ length: Math.max(0, last - first) }, (_, index) => first + index);
    // Where the keyboard is there has to be an element, in sight or not.
    if (active >= 0 && (active < first || active >= last)) places.push(active);
    const wanted = new Set(places.map((place) => this.#ids[place]));
    /** @type {Row[]} */ const free = [];
    for (const [id, row] of this.#rows) {
      if (wanted.has(id)) continue;
      free.push(row);
      this.#rows.delete(id);
    }
    for (const place of places) this.#show(this.#ids[place], place, count, free);
    for (const { item } of free) item.remove();
    if (active >= 0) list.setAttribute("aria-activedescendant", `driver-${this.#active}`);
    else list.removeAttribute("aria-activedescendant");
  }

  /** @param {string} id @param {number} place @param {number} count @param {Row[]} free rows that nobody needs */
  #show(id, place, count, free) {
    const driver = this.drivers.get(id);
    if (!driver) return;
    let row = this.#rows.get(id);
    if (!row) {
      row = free.pop() ?? this.#make();
      this.#rows.set(id, row);
      row.item.id = `driver-${id}`;
      row.item.dataset.id = id;
      setText(row.name, id);
    }
    const { item } = row;
    item.style.transform = `translateY(${place * rowHeight}px)`;
    item.setAttribute("aria-posinset", String(place + 1));
    item.setAttribute("aria-setsize", String(count));
    item.setAttribute("aria-selected", String(id === this.#chosen));
    item.classList.toggle("active", id === this.#active);
    if (item.dataset.state !== driver.state) {
      item.dataset.state = driver.state;
      showState(row.sign, driver.state);
    }
    setText(row.details, this.#detailsOf(driver));
  }

  /** @returns {Row} */
  #make() {
    const item = document.createElement("li");
    const sign = signElement("live");
    const name = document.createElement("strong");
    const details = document.createElement("span");
    item.setAttribute("role", "option");
    item.append(sign, name, details);
    this.list.append(item);
    return { item, sign, name, details };
  }

  /** @param {Driver} driver */
  #detailsOf(driver) {
    const age = this.drivers.ageOf(driver);
    if (driver.state === "live") return `${speedWords(driver.position.speed)} · ${ageWords(age)}`;
    const since = sinceWords(driver.position.recorded_at, age);
    return `${reasonInShort(driver.state, driver.status)} since ${since} (${ageWords(age)})`;
  }

  /** @param {string} id */
  #scrollTo(id) {
    const place = this.#ids.indexOf(id);
    if (place < 0) return;
    const { list } = this;
    const top = place * rowHeight;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + rowHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + rowHeight - list.clientHeight;
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || this.#ids.length === 0) return;
    const page = Math.max(1, Math.floor(this.list.clientHeight / rowHeight) - 1);
    const now = this.#ids.indexOf(this.#active);
    const last = this.#ids.length - 1;
    const next = {
      ArrowDown: now + 1, ArrowUp: now - 1, PageDown: now + page, PageUp: now - page, Home: 0, End: last,
    }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      this.#active = this.#ids[Math.min(last, Math.max(0, next))];
      this.#scrollTo(this.#active);
      this.#render();
    } else if ((event.key === "Enter" || event.key === " ") && now >= 0) {
      event.preventDefault();
      this.onPick(this.#active);
    }
  }
}
