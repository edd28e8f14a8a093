// From a photo to an answer: identified here, shown here. Nothing is loaded from elsewhere.
import { kept, keep, loadKept } from "./improve.js";
import { worded } from "./answer.js";
import { about, identify, start, state } from "./device.js";
import { live } from "./live.js";
import { offline } from "./offline.js";
import { hasServer, identifyThere, small } from "./server.js";
import { el, shown, summary } from "./show.js";
import { has, language, percent, preferred, speak, t } from "./texts.js";

const ELSEWHERE = ["unreadable", "device"]; // problems of this browser, not of the photo
const $ = (id) => document.getElementById(id);
let last = null; // the photo on the page, and what was answered
let asked = 0; // only the latest question may show its answer

async function ask(file, isNew = true) {
  const question = ++asked;
  const began = performance.now();
  waiting();
  preview(file);
  const found = await identify(file);
  if (found.problem) return question === asked && failed(found.problem, file, isNew);
  await answered(question, began, file, isNew, { found });
}

async function askServer(file, isNew) {
  const question = ++asked;
  const began = performance.now();
  waiting();
  const answer = await identifyThere(file, language);
  if (answer.problem) return question === asked && failed(answer.problem, file, isNew);
  await answered(question, began, file, isNew, { answer });
}

// found: what was found here, which can be said in any language. answer: what the server said.
async function answered(question, began, photo, isNew, { found, answer }) {
  const said = answer ?? (await worded(found, language));
  if (question !== asked) return;
  last = { photo, found, answer: said, seconds: (performance.now() - began) / 1000 };
  render();
  if (isNew && $("improve").checked) await keep(await small(photo), said).catch(() => {});
}

function preview(photo) {
  URL.revokeObjectURL($("preview").src);
  const node = Object.assign($("preview"), { src: URL.createObjectURL(photo), alt: t("photo") });
  node.hidden = false;
  node.onerror = () => (node.hidden = true);
  $("welcome").hidden = true;
}

function waiting() {
  last = null;
  $("said").textContent = t("looking");
  $("result").setAttribute("aria-busy", "true");
  $("result").replaceChildren(el("p", { className: "panel waiting" }, t("looking")));
}

function render() {
  $("result").setAttribute("aria-busy", "false");
  $("result").replaceChildren(...shown(last.answer, last.seconds));
  $("said").textContent = summary(last.answer);
  scrollTo({ top: 0, behavior: "instant" });
}

function failed(code, file, isNew) {
  const key = has(`error_${code}`) ? `error_${code}` : "error_other";
  const again = el("button", { type: "button", className: "small" }, t("again"));
  again.addEventListener("click", () => ask(file, isNew));
  $("result").setAttribute("aria-busy", "false");
  $("result").replaceChildren(
    el(
      "section",
      { className: "panel verdict unsure" },
      el("p", {}, t(key)),
      again,
      ...(hasServer && ELSEWHERE.includes(code) ? elsewhere(file, isNew) : []),
    ),
  );
  $("said").textContent = t(key);
}

function elsewhere(file, isNew) {
  const send = el("button", { type: "button", className: "small" }, t("ask_server"));
  send.addEventListener("click", () => askServer(file, isNew));
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
  loadKept();
  loading();
  if (!last) return;
  if (!last.found) return askServer(last.photo, false); // its words are the server's
  last.answer = await worded(last.found, wanted);
  render();
}

function listen() {
  for (const input of [$("camera"), $("file")]) {
    input.addEventListener("change", () => {
      if (input.files[0]) ask(input.files[0]);
      input.value = "";
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
    if (event.dataTransfer.files[0]) ask(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData.files[0]) ask(event.clipboardData.files[0]);
  });
  for (const name of ["online", "offline"]) addEventListener(name, network);
  $("language").addEventListener("click", () => {
    const wanted = language === "en" ? "fr" : "en";
    localStorage.setItem("lang", wanted);
    changeLanguage(wanted);
  });
}

$("help").hidden = document.documentElement.dataset.contributions !== "on";
kept($("kept"));
await changeLanguage(preferred());
listen();
document.documentElement.dataset.ready = "true";
live(ask);
start(loading);
offline().catch(() => {});
