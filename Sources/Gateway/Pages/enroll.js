// The set-up page of a device: how each app is told where to report, as a code to scan, a link, a file, and by hand. Its
// link's fragment holds the device's token, which is sent to this gateway alone, in a header.

import { Credential, byId, say, setText } from "./page.js";

/** @typedef {{name: string, value: string, secret?: boolean}} Setting */
/** @typedef {{app: string, name: string, platforms: string, link?: string, qr_svg?: string,
 *   file?: {name: string, type: string, content: string}, settings: Setting[], steps: string[]}} App */
/** @typedef {{driver_id: string, enroll_url: string, qr_svg?: string, apps: App[]}} Enrolment */

// First of all, so that the token leaves the address at once.
const credential = new Credential("drover.enroll");
/** @type {Enrolment|null} */ let enrolment = null;
/** Whether the code is this page's instead of the app's: some cameras open only web addresses. */
let showsPage = false;
/** What stands for a secret until somebody asks to see it. */
const hidden = "••••••••••••";
/** The file that is offered, to be let go of. */
let fileURL = "";

byId("again").onclick = () => load();
byId("swap").onclick = () => {
  showsPage = !showsPage;
  showCode(chosen());
};
await load();

async function load() {
  tell("");
  if (!credential.token) return tell("This page needs a set-up link. Ask for one, and open it on this device.");
  const response = await fetch("/v1/enrolment", {
    headers: { Authorization: `Bearer ${credential.token}` }, cache: "no-store",
  }).catch(() => null);
  if (response === null) return tell("The server cannot be reached from here.", true);
  switch (response.status) {
    case 200: break;
    case 401:
      credential.end(401);
      return tell("This set-up link is not valid any more: the device was revoked, or the link is not whole. "
        + "Ask for a new one.");
    case 403: return tell("This is no set-up link of a device. Ask for one, and open it on this device.");
    default: return tell("The server cannot answer at the moment.", true);
  }
  enrolment = /** @type {Enrolment} */ (await response.json());
  show(enrolment);
}

// Says why nothing is shown, "" where that is not so.
/** @param {string} text @param {boolean} mayPass whether trying again may help */
function tell(text, mayPass = false) {
  setText(byId("message"), text);
  byId("again").hidden = !mayPass;
  if (text !== "") for (const id of ["apps", "app", "warning"]) byId(id).hidden = true;
}

/** @param {Enrolment} enrolment */
function show({ driver_id, apps }) {
  setText(byId("whose"), `It will report as ${driver_id}.`);
  byId("choices").replaceChildren(...apps.map(({ app, name }, index) => {
    const label = document.createElement("label");
    const radio = document.createElement("input");
    Object.assign(radio, { type: "radio", name: "app", value: app, checked: index === 0 });
    radio.onchange = () => {
      showsPage = false;
      showApp(chosen());
    };
    label.append(radio, name);
    return label;
  }));
  for (const id of ["apps", "app", "warning"]) byId(id).hidden = false;
  showApp(chosen());
}

/** @returns {App} */
function chosen() {
  const name = new FormData(byId("apps")).get("app");
  const app = enrolment?.apps.find(({ app }) => app === name);
  if (!app) throw new Error(`there is no app ${name}`);
  return app;
}

/** @param {App} app */
function showApp(app) {
  setText(byId("app-name"), app.name);
  setText(byId("platforms"), `For ${app.platforms}.`);
  byId("steps").replaceChildren(...app.steps.map((step) => element("li", step)));
  byId("link").hidden = !app.link;
  if (app.link) byId("link").href = app.link;
  showFile(app.file);
  byId("settings").replaceChildren(...app.settings.flatMap(settingRow));
  byId("by-hand").hidden = app.settings.length === 0;
  byId("by-hand").open = !app.link && !app.file;
  showCode(app);
  say(`Set-up of ${app.name}`);
}

/** @param {App} app */
function showCode(app) {
  const own = app.qr_svg !== undefined && !showsPage;
  const svg = own ? app.qr_svg : enrolment?.qr_svg;
  byId("code").replaceChildren();
  // Parsed as a document of its own, in which nothing runs.
  if (svg) byId("code").append(new DOMParser().parseFromString(svg, "image/svg+xml").documentElement);
  setText(byId("caption"), !svg ? "" : own ? `Scan to set up ${app.name}` : "Scan to open this page on the phone");
  byId("swap").hidden = app.qr_svg === undefined;
  setText(byId("swap"), own ? "The camera does not open it?" : `The code for ${app.name}`);
}

/** @param {App["file"]} file */
function showFile(file) {
  if (fileURL) URL.revokeObjectURL(fileURL);
  fileURL = "";
  byId("file").hidden = !file;
  if (!file) return;
  fileURL = URL.createObjectURL(new Blob([file.content], { type: file.type }));
  Object.assign(byId("file"), { href: fileURL, download: file.name });
  setText(byId("file"), `Download ${file.name}`);
}

/** @param {Setting} setting */
function settingRow({ name, value, secret = false }) {
  const code = element("code", secret ? hidden : value);
  const copy = element("button", "Copy");
  copy.setAttribute("aria-label", `Copy ${name}`);
  copy.onclick = async () => {
    const done = await navigator.clipboard?.writeText(value).then(() => true, () => false);
    // Without a secure connection there is no clipboard: it is shown, to be selected.
    if (!done) setText(code, value);
    setText(copy, done ? "Copied" : "Shown");
    say(done ? `${name} copied` : `${name} is shown`);
  };
  const row = element("dd", "");
  row.append(code);
  if (secret) {
    const reveal = element("button", "Show");
    reveal.setAttribute("aria-label", `Show ${name}`);
    reveal.setAttribute("aria-pressed", "false");
    reveal.onclick = () => {
      const isHidden = code.textContent === hidden;
      setText(code, isHidden ? value : hidden);
      setText(reveal, isHidden ? "Hide" : "Show");
      reveal.setAttribute("aria-pressed", String(isHidden));
    };
    row.append(reveal);
  }
  row.append(copy);
  return [element("dt", name), row];
}

/** @param {string} name @param {string} text @returns {any} */
function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  if (made instanceof HTMLButtonElement) made.type = "button";
  return made;
}
