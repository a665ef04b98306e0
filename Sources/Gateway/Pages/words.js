// The words of both maps: speed, age, and why a driver is not live.

/** @typedef {import("/drover.js").Status} Status */
/** @typedef {{one: string, many: string}} Word */

/** What the platform calls whoever is tracked and what is carried. @type {{driver: Word, order: Word, group: Word}} */
const called = {
  driver: { one: "driver", many: "drivers" }, order: { one: "order", many: "orders" },
  group: { one: "group", many: "groups" },
};

// Takes over the platform's words, once the settings are there.
/** @param {Partial<typeof called>} words */
export const speak = (words) => { Object.assign(called, words); };

/** @param {number} [count] */
export const driverWord = (count = 1) => (count === 1 ? called.driver.one : called.driver.many);

/** @param {number} [count] */
export const groupWord = (count = 1) => (count === 1 ? called.group.one : called.group.many);

/** @param {string} text */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// With the article that its first letter asks for.
/** @param {string} word */
export const aWord = (word) => `${/^[aeiou]/i.test(word) ? "an" : "a"} ${word}`;

// A subject under the name that pushes have: `order:9f2` for `delivery:9f2`.
/** @param {string} subject */
export function ownName(subject) {
  const kind = subject.slice(0, subject.indexOf(":"));
  if (kind in called || kind === "area") return subject;
  const own = Object.entries(called).find(([, { one }]) => one === kind);
  return own ? own[0] + subject.slice(kind.length) : subject;
}

// An order's or group's name as the platform says it.
/** @param {string} subject */
export const subjectWords = (subject) => subject
  .replace(/^order:/, `${capital(called.order.one)} `).replace(/^group:/, `${capital(called.group.one)} `);

/** @param {number|null|undefined} speed m/s */
export const speedWords = (speed) => (typeof speed === "number" ? `${Math.round(speed * 3.6)} km/h` : "speed unknown");

// A length of time in its largest unit.
/** @param {number} length ms */
export function lengthWords(length) {
  const seconds = Math.floor(length / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

/** @param {number} age ms */
export const ageWords = (age) => (age < 1000 ? "now" : `${lengthWords(age)} ago`);

// Since when nothing was heard; `at` is on the server's clock, epoch ms.
/** @param {number} at @param {number} age ms */
export const sinceWords = (at, age = 0) =>
  new Date(at).toLocaleString([], { timeStyle: "short", dateStyle: age > 43_200_000 ? "medium" : undefined });

// Why a driver who is not live is not, in a few words for a list.
/** @param {Status["state"]} state @param {Status|null} status */
export function reasonInShort(state, status) {
  switch (status?.reason) {
    case "reconnecting": return "reconnecting";
    case "disconnected": return "disconnected";
    case "ended": return "signed off";
    case "low_accuracy": return "GPS too weak";
    case "clock": return `clock ${lengthWords(status.clock_offset_ms ?? 0)} ahead, silent`;
    default: return state === "stale" ? "no news" : "offline";
  }
}

// The same as a sentence for whoever waits for the driver.
/** @param {Status|null} status */
export function reasonInFull(status) {
  switch (status?.reason) {
    case "reconnecting": return `The ${driverWord()}’s phone has lost its connection and is trying to get it back.`;
    case "disconnected": return `The ${driverWord()}’s phone has no connection.`;
    case "ended": return `The ${driverWord()} has stopped sharing the position.`;
    case "low_accuracy": return `The ${driverWord()}’s phone does not know well enough where it is.`;
    case "clock":
      return `The clock of the ${driverWord()}’s phone is ${lengthWords(status.clock_offset_ms ?? 0)} ahead, so its positions`
        + " cannot be used.";
    default: return `The ${driverWord()}’s phone has sent nothing since.`;
  }
}

// A length of time to the minute, for what is over.
/** @param {number} length ms */
export function spanWords(length) {
  const minutes = Math.round(length / 60_000);
  if (minutes < 1) return `${Math.round(length / 1000)} s`;
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @param {number} metres */
export function distanceWords(metres) {
  if (metres < 1000) return `${Math.round(metres)} m`;
  return `${(metres / 1000).toFixed(metres < 100_000 ? 1 : 0)} km`;
}

/** @param {number} count @param {string} one @param {string} [many] */
export const countWords = (count, one, many = `${one}s`) =>
  `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
