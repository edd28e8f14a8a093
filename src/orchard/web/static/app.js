// From photos to an answer: identified here, shown here. Nothing is loaded from elsewhere.
import { kept, loadKept } from "./improve.js";
import { worded } from "./answer.js";
import { Classifier, together } from "./classifier.js";
import { chooser, choosing, closer } from "./closer.js";
import { about, identify, start, state } from "./device.js";
import { live } from "./live.js";
import { offline } from "./offline.js";
import { canHelp, give, say, wasRight } from "./right.js";
import { hasServer, identifyThere } from "./server.js";
import { details, el, summary, verdict } from "./show.js";
import { has, language, percent, preferred, speak, t } from "./texts.js";

const ELSEWHERE = ["unreadable", "device"]; // problems of this browser, not of the photo
const MOST_PHOTOS = 5; // of one fruit
const $ = (id) => document.getElementById(id);
const again = $("again"); // which is in the page only beside an answer
let last = null; // the photos on the page, and what was answered
let asked = 0; // only the latest question may show its answer

// photos: of one fruit, [{photo, part}]; what was found in each stays with it.
async function ask(photos) {
  const question = ++asked;
  const began = performance.now();
  waiting();
  preview(photos.at(-1));
  for (const one of photos) one.found ??= await identify(one.photo, one.part);
  if (question !== asked) return;
  const read = photos.filter(({ found }) => !found.problem);
  if (!read.length) return failed(photos[0].found.problem, photos);
  await answered(question, began, photos, { found: asOne(read.map(({ found }) => found)) });
}

function asOne(found) {
  if (found.length === 1) return found[0];
  const { probabilities, likeness } = together(found);
  return new Classifier({}, about).verdict(probabilities, likeness);
}

async function askServer(photos) {
  const question = ++asked;
  const began = performance.now();
  waiting();
  const answer = await identifyThere(photos[0].photo, language);
  if (question !== asked) return;
  if (answer.problem) return failed(answer.problem, photos);
  await answered(question, began, photos.slice(0, 1), { answer });
}

// found: what was found here, which can be said in any language. answer: what the server said.
async function answered(question, began, photos, { found, answer }) {
  const words = answer ?? (await worded(found, language));
  if (question !== asked) return;
  last = { photos, found, answer: words, seconds: (performance.now() - began) / 1000 };
  const fresh = photos.filter((one) => !one.isSeen);
  for (const one of fresh) one.isSeen = true;
  if (canHelp && $("improve").checked) give(fresh, words);
  render();
}

function preview({ photo, part }) {
  const node = $("preview");
  if (node.of !== photo) {
    URL.revokeObjectURL(node.src);
    Object.assign(node, { of: photo, src: URL.createObjectURL(photo), alt: t("photo") });
    node.onerror = () => ($("seen").hidden = true);
    $("seen").hidden = false;
  }
  $("welcome").hidden = true;
  chooser(part);
}

function waiting() {
  last = null;
  $("said").textContent = t("looking");
  $("result").setAttribute("aria-busy", "true");
  $("result").replaceChildren(el("p", { className: "panel waiting" }, t("looking")));
}

// The verdict first. The card follows once the page could be drawn: together they would keep a slow
// phone from answering a touch.
async function render() {
  const own = last;
  const { photos, found, answer, seconds } = own;
  const panel = verdict(answer);
  panel.append(...notes(photos));
  const tools = found ? [closer(photos.length < MOST_PHOTOS)] : [];
  const asks = canHelp && about ? [wasRight(answer, photos, (id) => say(photos, answer, id))] : [];
  $("result").replaceChildren(panel, ...tools, ...asks);
  $("said").textContent = summary(answer);
  scrollTo({ top: 0, behavior: "instant" });
  await new Promise((resolve) => setTimeout(resolve));
  if (last !== own || !panel.isConnected) return;
  $("result").append(...details(answer, seconds));
  $("result").setAttribute("aria-busy", "false");
}

function notes(photos) {
  const n = photos.filter((one) => one.found?.problem).length;
  const told = [
    photos.length - n > 1 ? t("together", { n: photos.length - n }) : "",
    n ? t("some_unread", { n }) : "",
  ].filter(Boolean);
  return told.length ? [el("p", { className: "note" }, told.join(" "))] : [];
}

function failed(code, photos) {
  const key = has(`error_${code}`) ? `error_${code}` : "error_other";
  const again = el("button", { type: "button", className: "small" }, t("again"));
  again.addEventListener("click", () => ask(photos.map(({ found, ...one }) => one)));
  $("result").setAttribute("aria-busy", "false");
  $("result").replaceChildren(
    el(
      "section",
      { className: "panel verdict unsure" },
      el("p", {}, t(key)),
      again,
      ...(hasServer && ELSEWHERE.includes(code) ? elsewhere(photos) : []),
    ),
  );
  $("said").textContent = t(key);
}

function elsewhere(photos) {
  const send = el("button", { type: "button", className: "small" }, t("ask_server"));
  send.addEventListener("click", () => askServer(photos));
  return [el("p", { className: "note" }, t("ask_server_more")), send];
}

// How far what answers has come, until it has.
function loading() {
  const { failed, progress, ready } = state;
  const again = el("button", { type: "button", className: "small" }, t("again_load"));
  again.addEventListener("click", () => start(loading));
  const text = ready
    ? t("loading_done")
    : failed
      ? t("loading_failed")
      : t("loading", { percent: percent(progress) });
  $("loading").replaceChildren(text, ...(failed ? [" ", again] : []));
  $("about").textContent = about?.notice ?? "";
  document.documentElement.dataset.device = ready ? "ready" : failed ? "failed" : "loading";
  network();
}

function network() {
  $("offline").hidden = navigator.onLine;
  $("offline").textContent = t(state.ready ? "offline" : "offline_wait");
}

async function changeLanguage(wanted) {
  await speak(wanted);
  const other = wanted === "en" ? "fr" : "en";
  Object.assign($("language"), {
    textContent: other === "fr" ? "Français" : "English",
    lang: other,
  });
  $("privacy").href = `privacy.${wanted}.html`;
  $("preview").alt = t("photo");
  chooser(last?.photos.at(-1).part);
  loadKept();
  loading();
  if (!last) return;
  if (!last.found) return askServer(last.photos); // its words are the server's
  last.answer = await worded(last.found, wanted);
  render();
}

// The files that somebody chose are photos of one fruit.
function askAbout(files) {
  if (files.length) ask([...files].slice(0, MOST_PHOTOS).map((photo) => ({ photo })));
}

// Look at the newest photo again, or at a part of it.
function lookAt(part) {
  const before = last?.photos;
  if (before) ask([...before.slice(0, -1), { ...before.at(-1), part, found: undefined }]);
}

function listen() {
  for (const input of [$("camera"), $("file"), again]) {
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = "";
      if (input !== again || !last) return askAbout(files);
      const more = files.slice(0, MOST_PHOTOS - last.photos.length).map((photo) => ({ photo }));
      if (more.length) ask([...last.photos, ...more]);
    });
  }
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    askAbout(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => askAbout(event.clipboardData.files));
  for (const name of ["online", "offline"]) addEventListener(name, network);
  $("language").addEventListener("click", () => {
    const wanted = language === "en" ? "fr" : "en";
    localStorage.setItem("lang", wanted);
    changeLanguage(wanted);
  });
}

$("help").hidden = !canHelp;
kept($("kept"));
choosing(lookAt);
await changeLanguage(preferred());
listen();
document.documentElement.dataset.ready = "true";
live((photo) => ask([{ photo }]));
start(loading);
offline().catch(() => {});
