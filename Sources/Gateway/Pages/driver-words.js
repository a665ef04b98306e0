// What the driver's page says: each phase in a headline and a sentence on what to do, and why pings are refused.

import { countWords, lengthWords } from "./words.js";

/**
 * What the page is at.
 * @typedef {"starting"|"barred"|"signed-out"|"ended"|"elsewhere"|"stopped"|"finishing"|"denied"|"searching"|"waiting"
 *   |"refused"|"sending"} Phase
 *
 * @typedef {{reason: string, detail: string}} Refusal
 */

/** @param {number} count */
const positions = (count) => countWords(count, "position");

/**
 * @param {Phase} phase
 * @param {{waiting: number, sentAgo: number|null, refusal: Refusal|null, isSecure: boolean, code: number}} facts
 *   `sentAgo` in ms; `code`: why the sign-in has ended
 * @returns {{title: string, details: string}}
 */
export function phaseWords(phase, { waiting, sentAgo, refusal, isSecure, code }) {
  const kept = waiting > 0 ? ` ${positions(waiting)} could not be sent.` : "";
  switch (phase) {
    case "starting": return { title: "Starting", details: "" };
    case "barred": return {
      title: "This browser cannot share a position",
      details: isSecure ? "It has no location service. Try another browser, or one of the apps."
        : "It tells a position only to pages that come over https. Ask whoever gave you the address.",
    };
    case "signed-out": return { title: "Signed out", details: "Open the link that you were given to sign in." };
    case "ended": return {
      title: code === 4403 ? "This sign-in was withdrawn" : code === 4401 ? "This sign-in is not valid" : "Refused",
      details: `Ask your dispatcher for a new link.${kept}`,
    };
    case "elsewhere": return {
      title: "Open in another tab", details: "Your position is shared there. Close that tab to go on here.",
    };
    case "stopped": return { title: "Not sharing", details: "Nobody sees where you are." };
    case "finishing": return {
      title: "Sharing has stopped",
      details: `${positions(waiting)} from before ${waiting === 1 ? "has" : "have"} yet to be sent. Keep this open.`,
    };
    case "denied": return {
      title: "No permission",
      details: "Allow this page to see your location: in the browser’s settings for this site, and in the phone’s.",
    };
    case "searching": return {
      title: "Looking for your position", details: "This can take a minute. It goes faster under open sky.",
    };
    case "waiting": return {
      title: "No connection",
      details: "Your positions are kept on this device and sent as soon as there is a connection.",
    };
    case "refused": return {
      title: "Your position is not shown", details: refusalWords(refusal?.reason ?? "", refusal?.detail),
    };
    case "sending": return {
      title: "Sharing your position",
      details: sentAgo === null ? "" : sentAgo < 2_000 ? "Sent just now." : `Last sent ${lengthWords(sentAgo)} ago.`,
    };
  }
}

// Why the server refuses a ping, for whoever holds the phone.
/** @param {string} reason @param {string} [detail] as the server says it */
export function refusalWords(reason, detail = "") {
  switch (reason) {
    case "accuracy": return "The device does not know well enough where it is. Go where the sky is open.";
    case "future": return "The device’s clock is ahead. Have it set the time by itself.";
    case "stale": return "They are too old to be kept.";
    case "jump": return "They jump too far from the ones before.";
    case "off_shift": return "You are off duty.";
    case "mock": return "A made-up position is not taken. Turn off apps that simulate a location.";
    case "zero_island": case "coordinates": return "They are no place on Earth that you can be at.";
    default: return `The server says: ${detail || reason}`;
  }
}

// The same in a word, for a list.
/** @type {Record<string, string>} */
const causes = {
  accuracy: "not exact enough", future: "the clock is ahead", stale: "too old", jump: "too far from the one before",
  off_shift: "off duty", mock: "made up", zero_island: "no real place", coordinates: "no real place",
};

// What did not reach the map since the sign-in, a line for each cause.
/** @param {import("./driver-queue.js").Counts} counts @param {number} limit */
export function lossWords({ dropped, refused }, limit) {
  const lines = Object.entries(refused)
    .map(([reason, count]) => `${positions(count)} refused: ${causes[reason] ?? reason}`);
  if (dropped > 0) {
    lines.push(`${positions(dropped)} dropped: only the newest ${limit.toLocaleString("en")} are kept`);
  }
  return lines;
}
