// Who is seen through which subject, so that whoever is seen through none any more can be taken off a map: also one who
// left while the connection was away, and is missing from the snapshot that follows.

/** `gone`: no other watched subject leads to the driver.
 * @typedef {{driver_id: string, subject: string, gone: boolean}} Departure */

export class Seen {
  /** @type {Map<string, Set<string>>} */ #drivers = new Map();
  // Who was seen before a snapshot that is still coming in.
  /** @type {Map<string, Set<string>>} */ #former = new Map();

  /** @param {(subject: string) => boolean} isWatched */
  constructor(isWatched) { this.isWatched = isWatched; }

  // Notes who is reported, and leaves out what came through subjects that are watched no longer: it was under way.
  /** @template {{driver_id: string, subjects?: string[]}} Report @param {Report[]} reports */
  admit(reports) {
    return reports.filter(({ driver_id, subjects = [] }) => {
      const watched = subjects.filter(this.isWatched);
      for (const subject of watched) this.#add(subject, driver_id);
      return watched.length > 0;
    });
  }

  // A snapshot of the subject comes in, in one or more pieces.
  /** @param {string} subject */
  begin(subject) {
    if (this.#former.has(subject)) return;
    this.#former.set(subject, this.#drivers.get(subject) ?? new Set());
    this.#drivers.delete(subject);
  }

  // The snapshot is complete: who was there before and is missing now has left.
  /** @param {string} subject @returns {Departure[]} */
  finish(subject) {
    const former = this.#former.get(subject) ?? new Set();
    this.#former.delete(subject);
    const drivers = this.#drivers.get(subject);
    return [...former].filter((id) => !drivers?.has(id)).map((id) => this.#departure(id, subject));
  }

  /** Snapshots that were coming in end unfinished: nobody has left. */
  abort() {
    for (const [subject, former] of this.#former) for (const id of former) this.#add(subject, id);
    this.#former.clear();
  }

  // The server says who has left.
  /** @param {{driver_id: string, subject: string}[]} left @returns {Departure[]} */
  leave(left) {
    return left.map(({ driver_id, subject }) => {
      this.#drivers.get(subject)?.delete(driver_id);
      this.#former.get(subject)?.delete(driver_id);
      return this.#departure(driver_id, subject);
    });
  }

  // The subject is watched no longer.
  /** @param {string} subject @returns {Departure[]} */
  drop(subject) {
    const all = new Set([...this.#drivers.get(subject) ?? [], ...this.#former.get(subject) ?? []]);
    this.#drivers.delete(subject);
    this.#former.delete(subject);
    return [...all].map((id) => this.#departure(id, subject));
  }

  /** @param {string} subject @param {string} driver */
  #add(subject, driver) {
    const drivers = this.#drivers.get(subject);
    if (drivers) drivers.add(driver);
    else this.#drivers.set(subject, new Set([driver]));
  }

  /** @param {string} id @param {string} subject @returns {Departure} */
  #departure(id, subject) {
    const isSeen = [...this.#drivers.values(), ...this.#former.values()].some((drivers) => drivers.has(id));
    return { driver_id: id, subject, gone: !isSeen };
  }
}
