// What a driver's page has yet to deliver: in memory to work with, in IndexedDB to outlive a reload or a dead battery.

/**
 * A native ping as `/v1/ingest` takes it: degrees, metres, m/s, epoch ms; what is unknown is absent.
 * @typedef {{recorded_at: number, lat: number, lng: number, accuracy: number, altitude?: number, speed?: number,
 *   heading?: number, battery?: number, session_id?: string}} Ping
 *
 * @typedef {{key: number, ping: Ping}} Entry
 *
 * Since the sign-in: delivered; dropped for want of room; refused by the server, by reason.
 * @typedef {{sent: number, dropped: number, refused: Record<string, number>}} Counts
 */

/** More than five hours at one a second, and what a gateway takes from a device at once by default. */
export const queueLimit = 20_000;

export class PingQueue {
  /** By a key that grows: the newest stands last. */
  /** @type {Map<number, Ping>} */ #waiting = new Map();
  /** @type {IDBDatabase|null} */ #database = null;
  #nextKey = 1;
  #limit;
  /** @type {Counts} */ counts = { sent: 0, dropped: 0, refused: {} };

  /** @param {number} [limit] more than these are not kept: the oldest goes */
  constructor(limit = queueLimit) { this.#limit = limit; }

  // The queue as an earlier page left it; where the browser keeps nothing, an empty one that lasts as long as the page.
  /** @param {string} name of the database @param {number} [limit] @returns {Promise<PingQueue>} */
  static async open(name, limit) {
    const queue = new PingQueue(limit);
    try {
      queue.#database = await opened(name);
      queue.#database.onversionchange = () => queue.#database?.close();
      queue.#database.onclose = () => { queue.#database = null; };
      await queue.#load(queue.#database);
    } catch { queue.#database = null; }
    return queue;
  }

  get size() { return this.#waiting.size; }

  /** Whether what waits outlives this page. */
  get isKept() { return this.#database !== null; }

  /** @param {Ping} ping */
  add(ping) {
    const key = this.#nextKey++;
    this.#waiting.set(key, ping);
    const [oldest] = this.#waiting.keys();
    const isFull = this.#waiting.size > this.#limit;
    if (isFull) {
      this.#waiting.delete(oldest);
      this.counts.dropped += 1;
    }
    this.#write((pings) => {
      pings.put(ping, key);
      if (isFull) pings.delete(oldest);
    });
  }

  // The newest of all, where it still waits.
  /** @returns {Entry|null} */
  newest() {
    const key = this.#nextKey - 1;
    const ping = this.#waiting.get(key);
    return ping ? { key, ping } : null;
  }

  // The oldest that wait, oldest first.
  /** @param {number} count at most @param {Set<number>} except @returns {Entry[]} */
  oldest(count, except) {
    /** @type {Entry[]} */ const found = [];
    for (const [key, ping] of this.#waiting) {
      if (found.length === count) break;
      if (!except.has(key)) found.push({ key, ping });
    }
    return found;
  }

  // The server has spoken about these: they are durable, or refused for a reason.
  /** @param {{key: number, reason: string|null}[]} verdicts */
  settle(verdicts) {
    const known = verdicts.filter(({ key }) => this.#waiting.delete(key));
    for (const { reason } of known) {
      if (reason === null) this.counts.sent += 1;
      else this.counts.refused[reason] = (this.counts.refused[reason] ?? 0) + 1;
    }
    this.#write((pings) => { for (const { key } of known) pings.delete(key); });
  }

  /** Forgets all, for another driver's sign-in. */
  clear() {
    this.#waiting.clear();
    this.counts = { sent: 0, dropped: 0, refused: {} };
    this.#write((pings) => { pings.clear(); });
  }

  /** @param {IDBDatabase} database */
  async #load(database) {
    const stores = database.transaction(["pings", "counts"]);
    const [keys, pings, counts] = await Promise.all([
      result(stores.objectStore("pings").getAllKeys()), result(stores.objectStore("pings").getAll()),
      result(stores.objectStore("counts").get("all")),
    ]);
    keys.forEach((key, index) => { this.#waiting.set(Number(key), pings[index]); });
    this.#nextKey = Number(keys.at(-1) ?? 0) + 1;
    if (counts) this.counts = counts;
  }

  // The counts go with the pings they count, or a crash between the two would tell a wrong number for ever.
  /** @param {(pings: IDBObjectStore) => void} change */
  #write(change) {
    if (!this.#database) return;
    try {
      const stores = this.#database.transaction(["pings", "counts"], "readwrite");
      change(stores.objectStore("pings"));
      stores.objectStore("counts").put(this.counts, "all");
      // For want of room, say: from here on it is memory alone, and the page says so.
      stores.onabort = () => { this.#database = null; };
    } catch { this.#database = null; }
  }
}

/** @param {string} name @returns {Promise<IDBDatabase>} */
function opened(name) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    for (const store of ["pings", "counts"]) request.result.createObjectStore(store);
  };
  return result(request);
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const result = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
