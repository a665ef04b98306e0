// The words of both maps: speed, age, and why a driver is not live.

/** @typedef {import("/drover.js").Status} Status */

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
    case "reconnecting": return "The driver’s phone has lost its connection and is trying to get it back.";
    case "disconnected": return "The driver’s phone has no connection.";
    case "ended": return "The driver has stopped sharing the position.";
    case "low_accuracy": return "The driver’s phone does not know well enough where it is.";
    case "clock":
      return `The clock of the driver’s phone is ${lengthWords(status.clock_offset_ms ?? 0)} ahead, so its positions`
        + " cannot be used.";
    default: return "The driver’s phone has sent nothing since.";
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
