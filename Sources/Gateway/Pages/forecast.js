// What a customer is told of the time: no more exactly than it is known, and without a word changing at every estimate.

/** @typedef {import("/drover.js").Arrival} Arrival */
/**
 * `note` adds what the title leaves out, "" for nothing.
 * @typedef {{title: string, note: string}} Words
 */

/** Another confidence must last this long before it changes the words, ms. */
const settles = 10_000;
/** An estimate further off than this is told as a time of day, minutes. */
const longest = 60;
/** A rough one that is further off is not told at all, minutes. */
const longestRough = 45;
/** To what minutes are rounded, and how much less or more an estimate must be than what was told to be told anew. It takes
 * more to go up: an estimate that wavers while the clock runs must not go back and forth. */
const rounding = {
  high: { step: 1, less: 0.8, more: 1.5 }, medium: { step: 5, less: 3.5, more: 7 }, low: { step: 1, less: 5, more: 8 },
};

export class Forecast {
  /** What was told: `at` on the server's clock, epoch ms; `minutes` until then as it was rounded. */
  /** @type {{stage: Arrival["stage"], confidence: Arrival["confidence"], minutes: number, at: number}|null} */ #told = null;
  /** Since when the confidence is another, 0: it is not. */
  #otherSince = 0;

  // The words for the newest estimate at this moment.
  /** @param {Arrival} arrival @param {number} now on the server's clock, epoch ms @param {string} name the driver's
   * @returns {Words} */
  words(arrival, now, name) {
    const { stage } = arrival;
    if (stage === "arrived") return { title: `${name} is here`, note: "" };
    if (stage === "arriving") return { title: `${name} is arriving`, note: "" };
    this.#tell(arrival, now);
    const { confidence, minutes, at } = this.#told ?? { confidence: "low", minutes: 0, at: 0 };
    if (confidence === "low") return rough(minutes, name);
    if (minutes > longest) return { title: `Arriving at about ${clock(at)}`, note: "" };
    if (confidence === "high") return { title: `Arriving in ${Math.max(1, minutes)} min`, note: "" };
    return { title: minutes < 5 ? "Arriving in a few minutes" : `Arriving in about ${minutes} min`, note: "" };
  }

  /** @param {Arrival} arrival @param {number} now */
  #tell({ stage, arrives_at, ...arrival }, now) {
    const told = this.#told;
    const confidence = told ? this.#settled(arrival.confidence, told.confidence, now) : arrival.confidence;
    const { step, less, more } = rounding[confidence];
    const left = Math.max(0, arrives_at - now) / 60_000;
    const isFar = told !== null && told.minutes > longest && left > longest;
    const off = isFar ? (arrives_at - told.at) / 60_000 : left - (told?.minutes ?? 0);
    const isSame = isFar ? Math.abs(off) <= 4 : -less <= off && off <= more;
    if (told && told.stage === stage && told.confidence === confidence && isSame) return;
    // A time of day is told in steps of five minutes.
    this.#told = {
      stage, confidence, minutes: Math.round(left / step) * step, at: Math.round(arrives_at / 300_000) * 300_000,
    };
  }

  // The confidence that the words go by.
  /** @param {Arrival["confidence"]} newest @param {Arrival["confidence"]} told @param {number} now */
  #settled(newest, told, now) {
    if (newest === told) this.#otherSince = 0;
    else this.#otherSince ||= now;
    return this.#otherSince > 0 && now - this.#otherSince >= settles ? newest : told;
  }
}

// Hardly anything is known yet, or the driver stands.
/** @param {number} minutes @param {string} name @returns {Words} */
function rough(minutes, name) {
  if (minutes > longestRough) return { title: `${name} is on the way`, note: "The time of arrival is not known yet." };
  const from = Math.floor((minutes * 0.7) / 5) * 5;
  const to = Math.max(from + 5, Math.ceil((minutes * 1.5) / 5) * 5);
  const title = from === 0 ? `Arriving within ${to} min` : `Arriving in ${from} to ${to} min`;
  return { title, note: "A rough estimate." };
}

/** @param {number} at epoch ms */
const clock = (at) => new Date(at).toLocaleTimeString([], { timeStyle: "short" });
