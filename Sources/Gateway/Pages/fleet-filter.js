// Which drivers are shown: by state, with the legend as its switches, and by group.

import { byId, setText } from "./page.js";
import { signElement } from "./fleet-signs.js";
import { capital, driverWord, groupWord } from "./words.js";

/** @typedef {import("./fleet-drivers.js").Driver} Driver */
/** @typedef {import("./fleet-drivers.js").State} State */
/** @typedef {{id: string, drivers: number}} Group */

/** @type {State[]} */ const states = ["live", "stale", "offline"];
/** With more groups than these one looks for them by name. */
const fewGroups = 8;
/** More are not listed at once. */
const mostListed = 100;

/** A switch for each state, which says what its sign means and how many there are. */
export class StateFilter {
  /** @type {Set<State>} */ #shown = new Set(states);
  /** @type {Map<State, HTMLElement>} */ #counts = new Map();

  /** @param {HTMLElement} place @param {() => void} onChange */
  constructor(place, onChange) {
    for (const state of states) {
      const button = document.createElement("button");
      const count = document.createElement("span");
      button.type = "button";
      button.dataset.state = state;
      button.setAttribute("aria-pressed", "true");
      count.className = "count";
      button.append(signElement(state), `${capital(state)} `, count);
      button.onclick = () => {
        const isShown = !this.#shown.delete(state);
        if (isShown) this.#shown.add(state);
        button.setAttribute("aria-pressed", String(isShown));
        onChange();
      };
      this.#counts.set(state, count);
      place.append(button);
    }
  }

  get isOn() { return this.#shown.size < states.length; }

  /** @param {Driver} driver */
  admits({ state }) { return this.#shown.has(state); }

  /** @param {Record<State, number>} count */
  tell(count) {
    for (const [state, element] of this.#counts) setText(element, count[state].toLocaleString("en"));
  }
}

/** The groups there are, to be chosen from; none chosen is everybody. */
export class GroupFilter {
  /** @type {Group[]} */ #groups = [];
  /** @type {Set<string>} */ #chosen = new Set();

  /** @param {(ids: string[]) => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
    byId("group-search").oninput = () => this.#list();
    byId("groups-none").onclick = () => this.#set([]);
  }

  /** @param {Group[]} groups none hides it all */
  offer(groups) {
    this.#groups = groups;
    for (const id of this.#chosen) if (!groups.some((group) => group.id === id)) this.#chosen.delete(id);
    byId("groups").hidden = groups.length === 0;
    byId("group-search").hidden = groups.length <= fewGroups;
    this.#list();
    this.#tell();
  }

  /** Lets go of all that are chosen, and tells nobody. */
  clear() {
    this.#chosen.clear();
    this.offer([]);
  }

  /** @param {string[]} ids */
  #set(ids) {
    this.#chosen = new Set(ids);
    this.#list();
    this.#tell();
    this.onChange(ids);
  }

  #tell() {
    const chosen = [...this.#chosen];
    const words = chosen.length === 0 ? "all" : chosen.length <= 3 ? chosen.join(", ") : `${chosen.length} chosen`;
    setText(byId("groups-summary"), `${capital(groupWord(2))}: ${words}`);
    byId("groups-none").hidden = chosen.length === 0;
  }

  #list() {
    const search = byId("group-search").value.trim().toLowerCase();
    const found = this.#groups.filter(({ id }) => id.toLowerCase().includes(search)).slice(0, mostListed);
    byId("group-list").replaceChildren(...found.map(({ id, drivers }) => {
      const item = document.createElement("li");
      const label = document.createElement("label");
      const box = document.createElement("input");
      const count = document.createElement("span");
      box.type = "checkbox";
      box.value = id;
      box.checked = this.#chosen.has(id);
      box.onchange = () => {
        if (box.checked) this.#chosen.add(id);
        else this.#chosen.delete(id);
        this.#tell();
        this.onChange([...this.#chosen]);
      };
      count.className = "count";
      count.textContent = `${drivers.toLocaleString("en")} ${driverWord(drivers)}`;
      label.append(box, id, count);
      item.append(label);
      return item;
    }));
  }
}
