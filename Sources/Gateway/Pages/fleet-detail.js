// All that is known of the chosen driver.

import { byId, notice, setText } from "./page.js";
import { showState, signElement } from "./fleet-signs.js";
import { ageWords, capital, reasonInFull, sinceWords, speedWords, subjectWords } from "./words.js";

/** @typedef {import("./fleet-drivers.js").Driver} Driver */

const points = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"];

export class FleetDetail {
  #sign = signElement("live");
  /** @type {Driver|null} */ #driver = null;

  /** @param {(driver: Driver) => number} ageOf ms @param {(id: string) => void} onDay @param {() => void} onClose */
  constructor(ageOf, onDay, onClose) {
    this.ageOf = ageOf;
    byId("detail-head").prepend(this.#sign);
    byId("detail-day").onclick = () => this.#driver && onDay(this.#driver.id);
    byId("detail-close").onclick = onClose;
    byId("detail-copy").onclick = () => this.#copy();
  }

  /** @param {Driver|null} driver */
  show(driver) {
    this.#driver = driver;
    byId("detail").hidden = driver === null;
    if (!driver) return;
    setText(byId("detail-name"), driver.id);
    byId("detail-day").ariaLabel = `Day of ${driver.id}`;
    this.refresh();
  }

  /** Brings it up to the clock. */
  refresh() {
    const driver = this.#driver;
    if (!driver) return;
    const { position, state, status } = driver;
    const { lat, lng, speed, heading, accuracy, recorded_at } = position;
    const age = this.ageOf(driver);
    showState(this.#sign, state);
    byId("detail").dataset.state = state;
    const why = state === "live" ? "" : ` · ${reasonInFull(status)}`;
    setText(byId("detail-state"), `${capital(state)}${why}`);
    setText(byId("detail-seen"), age < 1000 ? "now" : `${ageWords(age)}, ${sinceWords(recorded_at, age)}`);
    setText(byId("detail-speed"), speedWords(speed));
    setText(byId("detail-heading"), typeof heading === "number"
      ? `${points[Math.round(heading / 45) % 8]}, ${Math.round(heading)}°` : "unknown");
    setText(byId("detail-accuracy"), typeof accuracy === "number" ? `within ${Math.ceil(accuracy)} m` : "unknown");
    setText(byId("detail-place"), `${lat.toFixed(5)}, ${lng.toFixed(5)}`);
    const containers = (position.subjects ?? []).filter((name) => /^(order|group):/.test(name));
    const subjects = containers.map(subjectWords).join(", ");
    setText(byId("detail-subjects"), subjects);
    byId("detail-subjects").parentElement.hidden = subjects === "";
  }

  async #copy() {
    const { lat, lng } = this.#driver?.position ?? {};
    // Only a secure page may use the clipboard.
    try {
      await navigator.clipboard.writeText(`${lat}, ${lng}`);
      notice("The position is copied.");
    } catch {
      getSelection()?.selectAllChildren(byId("detail-place"));
      notice("This browser does not let the page copy: the position is marked to be copied by hand.");
    }
  }
}
