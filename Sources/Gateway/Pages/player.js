// The time of a day as a slider, and the hand that moves it: a day played back faster than it was.

import { byId, setText } from "./page.js";

/** @typedef {import("./past.js").Part} Part */

/** How far the arrow keys move it, and the page keys, s. */
const step = 10;
const leap = 600;
/** A silence is shown for this long and then passed over, ms of the reader's time. */
const silenceShown = 1_000;
/** A page that was away goes on from where it was, ms. */
const longestFrame = 250;

export class Player {
  /** @type {HTMLInputElement} */ #slider = byId("time");
  #from = 0;
  #to = 0;
  #time = 0;
  #frame = 0;
  #before = 0;
  #silentSince = 0;

  /** @param {(time: number) => {words: string, silence: {from: number, to: number}|null}} show what there was at a
   *   time, epoch ms: shows it, and says it */
  constructor(show) {
    this.show = show;
    this.#slider.oninput = () => {
      this.pause();
      this.seek(this.#from + Number(this.#slider.value) * 1000);
    };
    this.#slider.onkeydown = (event) => this.#press(event);
    byId("play").onclick = () => (this.isPlaying ? this.pause() : this.play());
  }

  get time() { return this.#time; }
  get isPlaying() { return this.#frame !== 0; }
  get isAtEnd() { return this.#time === this.#to; }

  // The times it can be moved to, epoch ms; the time stays where it is, as far as it can.
  /** @param {number} from @param {number} to */
  span(from, to) {
    this.#from = from;
    this.#to = to;
    this.#slider.max = String(Math.max(1, Math.ceil((to - from) / 1000)));
    this.#slider.disabled = byId("play").disabled = to <= from;
    this.seek(this.#time);
  }

  // What the day consists of, as bars above the slider. A trip's stands high, a stop's low, a silence leaves a hole.
  /** @param {Part[]} parts */
  explain(parts) {
    const length = Math.max(1, this.#to - this.#from);
    byId("bars").replaceChildren(...parts.map(({ kind, from, to, number = 0 }) => {
      const bar = document.createElement("span");
      bar.className = kind === "trip" ? (number % 2 === 1 ? "odd" : "even") : kind;
      bar.style.left = `${(from - this.#from) / length * 100}%`;
      bar.style.width = `${(to - from) / length * 100}%`;
      return bar;
    }));
  }

  /** Forgets the day that was shown. */
  clear() {
    this.pause();
    this.#from = this.#to = this.#time = 0;
    this.#slider.value = "0";
    this.#slider.removeAttribute("aria-valuetext");
    this.#slider.disabled = byId("play").disabled = true;
    byId("bars").replaceChildren();
    setText(byId("moment"), "");
  }

  /** @param {number} time epoch ms */
  seek(time) {
    this.#time = Math.min(this.#to, Math.max(this.#from, time));
    const { words, silence } = this.show(this.#time);
    const value = String(Math.round((this.#time - this.#from) / 1000));
    if (this.#slider.value !== value) this.#slider.value = value;
    this.#slider.setAttribute("aria-valuetext", words);
    setText(byId("moment"), words);
    return silence;
  }

  play() {
    if (this.isPlaying || this.#to <= this.#from) return;
    if (this.#time >= this.#to) this.seek(this.#from);
    this.#before = this.#silentSince = 0;
    this.#frame = requestAnimationFrame(this.#advance);
    this.#showPlaying();
  }

  pause() {
    if (!this.isPlaying) return;
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#showPlaying();
  }

  /** @param {number} now when the frame began, as `performance.now()` */
  #advance = (now) => {
    this.#frame = requestAnimationFrame(this.#advance);
    const passed = this.#before === 0 ? 0 : Math.min(longestFrame, now - this.#before);
    this.#before = now;
    const silence = this.seek(this.#time + passed * Number(byId("pace").value));
    if (!silence) this.#silentSince = 0;
    else if (this.#silentSince === 0) this.#silentSince = now;
    else if (now - this.#silentSince >= silenceShown) this.seek(silence.to);
    if (this.#time >= this.#to) this.pause();
  };

  #showPlaying() {
    byId("play").dataset.playing = String(this.isPlaying);
    setText(byId("play"), this.isPlaying ? "Pause" : "Play");
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const far = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step, PageDown: -leap, PageUp: leap }[
      event.key];
    if (far === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    // The browser's own step is a second, which is the slider's grain.
    event.preventDefault();
    this.pause();
    this.seek(this.#time + far * 1000);
  }
}
