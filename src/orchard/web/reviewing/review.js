// One photo after the other: accept, relabel, drop. Text is set as text, never as markup.
import { WORDS } from "./words.js";

const $ = (id) => document.getElementById(id);
const MOST_CHOICES = 9; // as many as there are digits to press
let language = "en";
let photos = [];
let species = {};
let at = 0;

function t(key, values = {}) {
  return Object.entries(values).reduce(
    (text, [name, value]) => text.replace(`{${name}}`, () => value),
    WORDS[language][key],
  );
}

async function load() {
  const found = await (await fetch("photos")).json();
  ({ photos, species } = found);
  $("labels").replaceChildren(...found.labels.map((value) => make("option", { value })));
  at = Math.max(0, next(-1));
  show();
}

// The first photo after one that waits; the one itself where none does.
function next(from) {
  const order = photos.map((_, step) => (from + 1 + step) % photos.length);
  return order.find((number) => !photos[number].decision) ?? from;
}

function show() {
  const count = (...kinds) => photos.filter(({ decision }) => kinds.includes(decision)).length;
  const [accepted, dropped] = [count("accept", "relabel"), count("drop")];
  const waiting = photos.length - accepted - dropped;
  $("count").textContent = waiting
    ? t("count", { waiting, accepted, dropped })
    : `${t("none")} ${photos.length ? t("count", { waiting, accepted, dropped }) : ""}`;
  $("one").hidden = !photos.length;
  if (!photos.length) return;
  const photo = photos[at];
  $("photo").hidden = false;
  $("unreadable").hidden = true;
  $("photo").src = `photos/${photo.name}`;
  $("photo").alt = t("photo", { n: at + 1, all: photos.length });
  $("facts").replaceChildren(...facts(photo));
  $("decided").textContent = photo.decision
    ? t(`is_${photo.decision}`, { label: photo.label ?? "" })
    : "";
  $("accept").replaceChildren(...choices(photo));
  $("label").value = "";
  $("problem").textContent = "";
}

function facts({ said_to_be, taken_for, giver, given, kept_until }) {
  const name = (id) => (id === "other" ? t("other") : (species[id]?.[language] ?? id));
  const day = (iso) =>
    new Intl.DateTimeFormat(language, { dateStyle: "long" }).format(new Date(iso));
  return [
    ["said", said_to_be ? name(said_to_be) : t("nothing")],
    ["taken", taken_for ? name(taken_for) : t("nothing")],
    ["person", giver ? String(giver) : t("nobody")],
    ["given", day(given)],
    ["until", day(kept_until)],
  ].map(([key, text]) => make("div", {}, make("dt", {}, t(key)), make("dd", {}, text)));
}

function choices({ candidates }) {
  const single = candidates.length === 1;
  return candidates.slice(0, MOST_CHOICES).map((label, number) => {
    const key = single ? "A" : String(number + 1);
    const button = make("button", { type: "button" }, t("accept", { label, key }));
    button.addEventListener("click", () => decide("accept", label));
    return button;
  });
}

async function decide(decision, label) {
  const photo = photos[at];
  const query = new URLSearchParams(label ? { decision, label } : { decision });
  const response = await fetch(`photos/${photo.name}?${query}`, { method: "POST" }).catch(
    () => null,
  );
  if (response?.status === 404) {
    photos.splice(at, 1);
    at = Math.max(0, Math.min(at, photos.length - 1));
    show();
    $("problem").textContent = t("gone");
    return;
  }
  const content = await response?.json().catch(() => null);
  if (!response?.ok) {
    $("problem").textContent = t("failed", { why: content?.detail ?? "" });
    return;
  }
  Object.assign(photo, { decision: content.decision, label: content.label });
  at = next(at);
  show();
  $("one").focus();
}

function move(step) {
  if (!photos.length) return;
  at = (at + step + photos.length) % photos.length;
  show();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !photos.length) return;
  if (event.target.matches("input, select")) return event.key === "Escape" && $("one").focus();
  const key = event.key.toLowerCase();
  const { candidates } = photos[at];
  const number = key === "a" && candidates.length === 1 ? 0 : Number.parseInt(key, 10) - 1;
  if (candidates[number] && number < MOST_CHOICES) decide("accept", candidates[number]);
  else if (key === "d") decide("drop");
  else if (key === "r") $("label").focus();
  else if (key === "arrowleft") move(-1);
  else if (key === "arrowright") move(1);
  else return;
  event.preventDefault();
}

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function speak(wanted) {
  language = wanted;
  document.documentElement.lang = wanted;
  document.title = `Orchard: ${t("title")}`;
  for (const node of document.querySelectorAll("[data-word]"))
    node.textContent = t(node.dataset.word);
  const other = wanted === "en" ? "fr" : "en";
  Object.assign($("language"), {
    textContent: other === "fr" ? "Français" : "English",
    lang: other,
  });
}

$("photo").addEventListener("error", () => {
  $("photo").hidden = true;
  $("unreadable").hidden = false;
});
$("relabel").addEventListener("submit", (event) => {
  event.preventDefault();
  if ($("label").value.trim()) decide("relabel", $("label").value.trim());
});
$("drop").addEventListener("click", () => decide("drop"));
$("back").addEventListener("click", () => move(-1));
$("skip").addEventListener("click", () => move(1));
$("language").addEventListener("click", () => {
  speak(language === "en" ? "fr" : "en");
  show();
});
addEventListener("keydown", pressed);
speak(navigator.language.startsWith("fr") ? "fr" : "en");
await load();
document.documentElement.dataset.ready = "true";
