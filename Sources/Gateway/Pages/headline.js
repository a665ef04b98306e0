// What a customer's page says about the whole: is it coming, and how sure is that?

import {
  aWord, ageWords, capital, distanceWords, driverWord, lengthWords, reasonInFull, sinceWords, speedWords, subjectWords,
} from "./words.js";

/** @typedef {import("./markers.js").Van} Van */
/**
 * `title` is one line, `details` may be empty.
 * @typedef {{title: string, details: string}} Headline
 */

/**
 * When a driver will be there, in words; `remaining` is the straight line in metres.
 * @typedef {{title: string, note: string, remaining: number, stage: import("/drover.js").Arrival["stage"]}} Prospect
 */

/**
 * @param {{isLive: boolean, isAnswered: boolean, subjects: string[], awaited: number, vans: Van[],
 *   ageOf: (van: Van) => number, nameOf: (id: string) => string, forecastOf?: (van: Van) => Prospect|null}} sight
 *   `isLive`: the connection is there;
 *   `isAnswered`: the server has said who is watched; `awaited`: drivers that are known to come, without a position yet
 * @returns {Headline}
 */
export function headline(sight) {
  const { isLive, isAnswered, vans, ageOf, nameOf, forecastOf = () => null } = sight;
  if (vans.length === 0) return isAnswered ? nobody(sight) : { title: "Connecting", details: "" };
  if (vans.length > 1) return several(sight);
  const [van] = vans;
  const age = ageOf(van);
  const name = nameOf(van.id);
  const seen = `Last seen ${sinceWords(van.position.recorded_at, age)} (${ageWords(age)}).`;
  if (!isLive) return { title: "Reconnecting", details: `This map has lost its connection. ${seen}` };
  if (van.state === "live") {
    const { speed } = van.position;
    const prospect = forecastOf(van);
    const parts = [
      prospect?.note, prospect && prospect.stage !== "arrived" ? `${distanceWords(Math.round(prospect.remaining / 10) * 10)} away` : "",
      typeof speed === "number" ? speedWords(speed) : "", `updated ${age < 1000 ? "just now" : ageWords(age)}`,
    ];
    return {
      title: prospect?.title ?? `${name} is on the way`,
      details: parts.filter(Boolean).join(" · ").replace(". · ", ". "),
    };
  }
  const title = van.status?.reason === "ended" ? `${name} has signed off` : `No position for ${lengthWords(age)}`;
  return { title, details: `${reasonInFull(van.status)} ${seen}` };
}

/** @param {Parameters<typeof headline>[0]} sight @returns {Headline} */
function nobody({ subjects, awaited }) {
  if (!subjects.some((subject) => /^(order|group):/.test(subject))) {
    return { title: "No position yet", details: "It will appear here." };
  }
  return awaited > 0
    ? { title: `${capital(aWord(driverWord()))} is assigned`, details: "You will see where as soon as a position is known." }
    : {
      title: `Waiting for ${aWord(driverWord())}`,
      details: `You will see where it is as soon as ${aWord(driverWord())} has it.`,
    };
}

/** @param {Parameters<typeof headline>[0]} sight @returns {Headline} */
function several({ isLive, vans, nameOf, forecastOf = () => null }) {
  if (!isLive) return { title: "Reconnecting", details: "This map has lost its connection." };
  const live = vans.filter(({ state }) => state === "live").length;
  const words = vans.flatMap((van) => {
    const prospect = van.state === "live" ? forecastOf(van) : null;
    if (!prospect) return [];
    return [prospect.title.startsWith("Arriving") ? `${nameOf(van.id)}: ${prospect.title}` : prospect.title];
  });
  const details = words.slice(0, 3).map((text) => text.replace(": Arriving", " arrives")).join(". ");
  if (live === vans.length) {
    return { title: `${live} ${driverWord(live)} are on the way`, details: details && `${details}.` };
  }
  return {
    title: `${live} of ${vans.length} ${driverWord(vans.length)} are seen`,
    details: "Of the others the last position is shown.",
  };
}

// What the link is about, for the small line above: orders and groups by their names, drivers not.
/** @param {string[]} subjects */
export function topicWords(subjects) {
  const named = subjects.filter((subject) => /^(order|group):/.test(subject));
  const words = named.slice(0, 3).map(subjectWords);
  return words.join(", ") + (named.length > 3 ? ` and ${named.length - 3} more` : "");
}

/** What this page's own end counts as, beside the codes with which a server ends it: all was brought. */
export const broughtCode = 1000;

// What is left to say when all was brought.
/** @param {number} [at] when, epoch ms @returns {Headline} */
export const arrivedWords = (at) => ({
  title: "It has arrived",
  details: `${at ? `The ${driverWord()} was there at ${sinceWords(at)}. ` : ""}There is nothing more to see here.`,
});

// Why a link shows nothing any more.
/** @param {number} code the WebSocket close code @param {boolean} wasLive @returns {Headline} */
export function endWords(code, wasLive) {
  if (code === 4403) {
    return { title: "This link was withdrawn", details: "Whoever sent it has closed it. Ask them for a new one." };
  }
  if (code === broughtCode) return arrivedWords();
  if (code !== 4401) return { title: "This map has stopped", details: "The server has ended the connection." };
  return wasLive
    ? { title: "This tracking has ended", details: "The link was good for a limited time, which is over now." }
    : { title: "This tracking has ended", details: "The link has expired, or it is not complete. Ask for a new one." };
}
