// The page that makes a browser a driver's device: `/driver#token=DEVICE_TOKEN`. It takes the fixes, keeps them until
// the gateway has confirmed them, and always says how it stands.

import { IngestLink } from "./driver-link.js";
import { Awake, Fixes, batteryMeter } from "./driver-fixes.js";
import { PingQueue, queueLimit } from "./driver-queue.js";
import { lossWords, phaseWords } from "./driver-words.js";
import { createMap } from "./ground.js";
import { askForKey, byId, loadSettings, notice, say, setText, showConnection } from "./page.js";
import { lengthWords, speedWords } from "./words.js";

/** @typedef {import("./driver-queue.js").Ping} Ping */
/** @typedef {import("./driver-words.js").Phase} Phase */

/** Where the token is kept: a driver's phone restarts its browser, so longer than a tab lives, until signed out. */
const place = "drover.driver";
/** A pause of the browser that is worth telling, ms. */
const tellablePause = 30_000;
/** How long a link's new sign-in waits for the old one's positions to be delivered, ms. */
const handOverPatience = 15_000;

/** @type {{token: string, isSharing: boolean}} */
const signIn = { token: "", isSharing: false, ...stored() };
// First of all, so that the token leaves the address at once.
const linked = takeFragment();
const settings = await loadSettings();
const battery = await batteryMeter();
/** Empty until it is sure that no other tab has it. */
let queue = new PingQueue();
const fixes = new Fixes(battery);
const awake = new Awake(refresh);
/** @type {IngestLink|null} */ let link = null;
/** Why the sign-in has ended: the WebSocket close code; 0 where it has not. */ let ended = 0;
/** Another tab of this browser is at it. */ let isElsewhere = false;
/** The queue is open, and nothing is left of an earlier sign-in: sharing may begin. */ let isReady = false;
// The server's last word on a ping, where that was a refusal.
/** @type {import("./driver-words.js").Refusal|null} */ let refusal = null;
let sentAt = 0;
let hiddenAt = 0;
/** The fix before the page was hidden, and the longest silence since, ms. */
let lastFixAt = 0;
let longestPause = 0;
/** @type {Phase} */ let phase = "starting";

const map = createMap(byId("map"), settings);
const halo = L.circle([0, 0], { className: "accuracy", interactive: false });
const dot = L.circleMarker([0, 0], { radius: 9, className: "me", interactive: false });
let following = true;
map.on("dragstart", () => { following = false; });
// A panel that grows or shrinks leaves the map more or less room.
new ResizeObserver(() => map.invalidateSize()).observe(byId("map"));

fixes.on("seen", show);
fixes.on("fix", (ping) => {
  queue.add(ping);
  link?.pump();
  refresh();
});
fixes.on("problem", refresh);
byId("share").onclick = () => setSharing(!signIn.isSharing);
byId("sign-out").onclick = signOut;
document.addEventListener("visibilitychange", tellPause);
addEventListener("hashchange", async () => {
  const token = takeFragment();
  if (token === "" || token === signIn.token || isElsewhere) return;
  setSharing(false);
  link?.close();
  isReady = false;
  refresh();
  await handOver(token);
  location.reload();
});
Object.assign(window, {
  droverTest: {
    phase: () => phase, state: () => link?.state.name ?? "closed", waiting: () => queue.size,
    counts: () => queue.counts, interval: () => fixes.interval, latest: () => fixes.latest,
  },
});
setInterval(refresh, 1_000);
refresh();
if (currentPhase() !== "barred") alone();

// Begins once no other tab of this browser is at it: two would send everything twice, and share one queue.
function alone() {
  // A page that goes may be frozen for a way back: it lets go, and begins anew where it is come back to.
  addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
  const hold = () => {
    begin();
    return new Promise((resolve) => { addEventListener("pagehide", resolve, { once: true }); });
  };
  navigator.locks.request(place, { ifAvailable: true }, (lock) => {
    if (lock) return hold();
    isElsewhere = true;
    refresh();
    navigator.locks.request(place, hold);
  });
}

async function begin() {
  isElsewhere = false;
  Object.assign(signIn, stored());
  queue = await PingQueue.open(place);
  if (linked !== "" && linked !== signIn.token) await handOver(linked);
  isReady = true;
  while (signIn.token === "") {
    refresh();
    const token = await askForKey("");
    if (token.startsWith("drk_")) notice("That is a backend’s key. This page needs the token of a device.");
    else remember({ token });
    if (signIn.token !== "") notice("");
  }
  if (!queue.isKept) notice("This browser keeps nothing: what is not sent is lost when the page is closed.");
  if (signIn.isSharing) setSharing(true);
  else if (queue.size > 0) connect().finish();
  refresh();
}

// What an earlier sign-in has left must not be sent in another driver's name: it is delivered first, or given up.
/** @param {string} token */
async function handOver(token) {
  if (signIn.token !== "" && queue.size > 0) {
    const old = new IngestLink({ token: signIn.token, queue });
    const isOver = new Promise((resolve) => {
      old.on("state", ({ name }) => { if (name === "closed") resolve(null); });
      setTimeout(resolve, handOverPatience);
    });
    old.connect();
    old.finish();
    await isOver;
    old.close();
    if (queue.size > 0) notice(`${queue.size} positions of the sign-in before could not be sent and are lost.`);
  }
  if (signIn.token !== "") queue.clear();
  remember({ token, isSharing: false });
}

/** @returns {IngestLink} the connection, which is tried from now on */
function connect() {
  if (link) {
    link.connect();
    return link;
  }
  const current = new IngestLink({ token: signIn.token, queue });
  link = current;
  current.on("settled", ({ delivered, refused }) => {
    if (delivered > 0) sentAt = Date.now();
    refusal = refused.at(-1) ?? (delivered > 0 ? null : refusal);
    refresh();
  });
  current.on("rate", ({ interval_ms }) => { if (interval_ms > 0) fixes.interval = interval_ms; });
  current.on("state", ({ name, code = 0 }) => {
    if (name === "closed" && code !== 1000) {
      ended = code;
      fixes.stop();
      awake.want(false);
    }
    refresh();
  });
  current.connect();
  return current;
}

/** @param {boolean} on */
function setSharing(on) {
  remember({ isSharing: on });
  if (on) {
    // So that a full disk does not take what waits; where the browser asks for leave, it asks now.
    navigator.storage?.persist?.().catch(() => {});
    connect();
    fixes.start();
  } else {
    fixes.stop();
    refusal = null;
    link?.finish();
    halo.remove();
    dot.remove();
  }
  awake.want(on);
  refresh();
}

async function signOut() {
  if (queue.size > 0 && ended === 0) {
    const dialog = byId("leave-dialog");
    setText(byId("leave-words"), `${queue.size} positions have not been sent yet. They would be lost.`);
    dialog.returnValue = "stay";
    dialog.showModal();
    await new Promise((resolve) => { dialog.onclose = resolve; });
    if (dialog.returnValue !== "leave") return;
  }
  if (signIn.isSharing) setSharing(false);
  link?.close();
  queue.clear();
  remember({ token: "", isSharing: false });
  location.reload();
}

/** @param {Ping} ping */
function show(ping) {
  if (lastFixAt > 0) longestPause = Math.max(longestPause, ping.recorded_at - lastFixAt);
  lastFixAt = ping.recorded_at;
  const isFirst = !map.hasLayer(dot);
  halo.setLatLng(ping).setRadius(ping.accuracy).addTo(map);
  dot.setLatLng(ping).addTo(map);
  if (isFirst) map.setView(ping, 16, { animate: false });
  else if (following) map.panTo(ping, { animate: !matchMedia("(prefers-reduced-motion: reduce)").matches });
  refresh();
}

// A browser stops pages that nobody looks at: what that has cost is told on the return.
function tellPause() {
  if (document.visibilityState === "hidden") {
    hiddenAt = Date.now();
    longestPause = 0;
  } else if (fixes.isOn && hiddenAt > 0) {
    const pause = Math.max(longestPause, Date.now() - Math.max(lastFixAt, hiddenAt));
    if (pause > Math.max(tellablePause, 2 * fixes.interval)) {
      notice(`While this page was in the background the browser paused it for ${lengthWords(pause)}.`
        + " Keep it in front while you drive.");
    }
  }
}

/** @returns {Phase} */
function currentPhase() {
  if (!isSecureContext || !navigator.geolocation) return "barred";
  if (isElsewhere) return "elsewhere";
  if (!isReady) return "starting";
  if (ended !== 0) return "ended";
  if (signIn.token === "") return "signed-out";
  if (!signIn.isSharing) return link && link.state.name !== "closed" && queue.size > 0 ? "finishing" : "stopped";
  if (fixes.problem === "denied") return "denied";
  if (!fixes.latest) return "searching";
  if (link?.state.name === "waiting" || (link?.state.name === "connecting" && phase === "waiting")) return "waiting";
  return refusal ? "refused" : "sending";
}

/** Brings all that is said up to the clock, the connection and the queue. */
function refresh() {
  const before = phase;
  phase = currentPhase();
  document.body.dataset.phase = phase;
  const { title, details } = phaseWords(phase, {
    waiting: queue.size, sentAgo: sentAt === 0 ? null : Date.now() - sentAt, refusal, isSecure: isSecureContext,
    code: ended,
  });
  setText(byId("headline"), title);
  setText(byId("details"), details);
  if (phase !== before) say(phase === "sending" ? title : `${title}. ${details}`);
  const isOver = ["barred", "elsewhere", "ended", "signed-out", "starting"].includes(phase);
  byId("share").hidden = isOver;
  byId("share").setAttribute("aria-pressed", String(signIn.isSharing));
  setText(byId("share"), signIn.isSharing ? "Stop sharing" : "Start sharing");
  byId("sign-out").hidden = isOver && phase !== "ended";
  byId("connection").hidden = isOver || phase === "stopped";
  showConnection(link?.state, "Connected");
  dot.getElement()?.classList.toggle("old", phase !== "sending");
  showFacts();
  setText(byId("advice"), !signIn.isSharing || isOver ? ""
    : `Keep this page in front: a browser in the background may stop sharing.${awake.isOn ? " The screen stays on."
      : " Do not let the screen go dark."}`);
}

function showFacts() {
  const { counts, size } = queue;
  const refused = Object.values(counts.refused).reduce((sum, count) => sum + count, 0);
  const { latest } = fixes;
  const charge = battery();
  byId("facts").hidden = signIn.token === "" || isElsewhere || phase === "barred";
  setText(byId("speed"), typeof latest?.speed === "number" ? speedWords(latest.speed) : "–");
  setText(byId("accuracy"), latest ? `${Math.round(latest.accuracy)} m` : "–");
  setText(byId("battery"), charge === undefined ? "–" : `${Math.round(charge * 100)} %`);
  setText(byId("sent"), counts.sent.toLocaleString("en"));
  setText(byId("waiting"), size.toLocaleString("en"));
  setText(byId("refused"), refused.toLocaleString("en"));
  const lines = lossWords(counts, queueLimit);
  byId("losses").hidden = lines.length === 0;
  if (lines.join() !== [...byId("losses").children].map(({ textContent }) => textContent).join()) {
    byId("losses").replaceChildren(...lines.map((textContent) =>
      Object.assign(document.createElement("li"), { textContent })));
  }
}

/** @returns {object} what an earlier page has kept */
function stored() {
  try { return JSON.parse(localStorage.getItem(place) ?? "{}"); } catch { return {}; }
}

/** @param {Partial<typeof signIn>} change */
function remember(change) {
  Object.assign(signIn, change);
  try { localStorage.setItem(place, JSON.stringify(signIn)); } catch { /* Then it lasts as long as the page. */ }
}

/** @returns {string} the address's token, which is taken out of it; "" where there is none */
function takeFragment() {
  // A plus sign stands for itself: a fragment is not a form.
  const token = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B")).get("token") ?? "";
  if (token !== "") history.replaceState(null, "", location.pathname + location.search);
  return token;
}
