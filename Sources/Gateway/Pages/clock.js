// Times and dates as the history's zone has them, wherever the reader is.

/** Tells the time of a day in the zone that the history's days are of, wherever the reader is. */
export class DayClock {
  #zone;
  #brief;
  #full;
  /** Where the clocks are changed that day, a time is told with its zone. */
  #isChanged;

  /** @param {string} zone as Postgres calls it @param {number} from the day's begin, epoch ms @param {number} to its
   * end */
  constructor(zone, from, to) {
    this.#zone = zone;
    this.#isChanged = to - from !== 86_400_000;
    this.#brief = this.#format({ hour: "2-digit", minute: "2-digit" });
    this.#full = this.#format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  }

  /** @param {number} time epoch ms */
  brief(time) { return this.#brief.format(time); }

  // With seconds.
  /** @param {number} time epoch ms */
  full(time) { return this.#full.format(time); }

  // The zone's date, YYYY-MM-DD.
  /** @param {number} time epoch ms */
  date(time) {
    const parts = this.#formatter({ year: "numeric", month: "2-digit", day: "2-digit" }).formatToParts(time);
    const part = (/** @type {string} */ name) => parts.find(({ type }) => type === name)?.value;
    return `${part("year")}-${part("month")}-${part("day")}`;
  }

  /** @param {Intl.DateTimeFormatOptions} options */
  #format(options) {
    return this.#formatter({ ...options, hourCycle: "h23", timeZoneName: this.#isChanged ? "short" : undefined });
  }

  /** @param {Intl.DateTimeFormatOptions} options */
  #formatter(options) {
    try { return new Intl.DateTimeFormat("en-CA", { ...options, timeZone: this.#zone }); } catch {
      // A zone that this browser does not know: times are told in one that it does.
      return new Intl.DateTimeFormat("en-CA", { ...options, timeZone: "UTC", timeZoneName: "short" });
    }
  }
}

// The day before (-1) or after (1), whatever the zone: a date is no instant.
/** @param {string} date YYYY-MM-DD @param {number} days */
export const dateAfter = (date, days) =>
  new Date(Date.parse(`${date}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
