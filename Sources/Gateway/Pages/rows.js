// The drivers as a list below the customer's map: the same shapes, with speed and honest age in words.

import { setText } from "./page.js";
import { ageWords, reasonInShort, sinceWords, speedWords } from "./words.js";
import { showHeading, vanShape } from "./markers.js";

/** @typedef {import("./markers.js").Van} Van */
/** @typedef {import("./markers.js").Vans} Vans */
/** @typedef {{item: HTMLElement, button: HTMLElement, name: HTMLElement, details: HTMLElement}} Row */

const byName = new Intl.Collator(undefined, { numeric: true });

export class DriverRows {
  /** @type {Map<string, Row>} */ #rows = new Map();

  /** @param {HTMLElement} list @param {Vans} vans @param {(id: string) => void} onPick */
  constructor(list, vans, onPick) {
    this.list = list;
    this.vans = vans;
    this.onPick = onPick;
  }

  /** Brings every row, and every state, up to the clock. */
  refresh() {
    for (const [id, row] of this.#rows) {
      if (this.vans.get(id)) continue;
      row.item.remove();
      this.#rows.delete(id);
    }
    for (const van of this.vans.all) {
      this.vans.refresh(van);
      const row = this.#rows.get(van.id) ?? this.#add(van.id);
      row.item.dataset.state = van.state;
      showHeading(row.item, van);
      setText(row.name, this.vans.nameOf(van.id));
      setText(row.details, this.#detailsOf(van));
    }
    this.vans.arrangeNames();
  }

  /** @param {string} id @returns {Row} */
  #add(id) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const name = document.createElement("strong");
    const details = document.createElement("span");
    button.type = "button";
    button.onclick = () => this.onPick(id);
    button.append(vanShape(), name, details);
    item.append(button);
    const row = { item, button, name, details };
    this.#rows.set(id, row);
    item.dataset.id = id;
    this.list.insertBefore(item, this.#firstAfter(id));
    return row;
  }

  // Where a name belongs in the list, which is sorted: a thousand rows come at once.
  /** @param {string} id */
  #firstAfter(id) {
    const items = /** @type {HTMLCollectionOf<HTMLElement>} */ (this.list.children);
    let [low, high] = [0, items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (byName.compare(this.vans.nameOf(items[middle].dataset.id ?? ""), this.vans.nameOf(id)) < 0) low = middle + 1;
      else high = middle;
    }
    return items[low] ?? null;
  }

  /** @param {Van} van */
  #detailsOf(van) {
    const age = this.vans.ageOf(van);
    if (van.state === "live") return `${speedWords(van.position.speed)} · ${ageWords(age)}`;
    const since = sinceWords(van.position.recorded_at, age);
    return `${reasonInShort(van.state, van.status)} since ${since} (${ageWords(age)})`;
  }
}
