// The page's words: en.json and fr.json, one loaded at a time.
const LANGUAGES = ["en", "fr"];
let words = {};

export let language = "en";

export function preferred() {
  const asked = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem("lang");
  const wanted = [asked, ...navigator.languages].map((tag) => (tag ?? "").slice(0, 2));
  return wanted.find((tag) => LANGUAGES.includes(tag)) ?? "en";
}

export async function speak(wanted) {
  words = await (await fetch(`${wanted}.json`)).json();
  language = wanted;
  document.documentElement.lang = wanted;
  spell(document);
}

// Puts the words where the markup names them.
export function spell(root) {
  for (const node of root.querySelectorAll("[data-i18n]")) node.textContent = t(node.dataset.i18n);
}

export function t(key, values = {}) {
  return Object.entries(values).reduce(
    (text, [name, value]) => text.replace(`{${name}}`, value),
    words[key],
  );
}

export function has(key) {
  return key in words;
}

// Intl takes longer to make a format than to use it many times, and a card has some fifty figures.
const formats = new Map();
function format(kind, options) {
  const key = `${kind.name} ${language} ${JSON.stringify(options)}`;
  if (!formats.has(key)) formats.set(key, new kind(language, options));
  return formats.get(key);
}

export const number = (value, options) => format(Intl.NumberFormat, options).format(value);
export const compare = (one, other) => format(Intl.Collator).compare(one, other);
export const percent = (value) => number(value, { style: "percent" });
export const date = (iso) =>
  format(Intl.DateTimeFormat, { dateStyle: "long" }).format(new Date(iso));
export const month = (index, width) =>
  format(Intl.DateTimeFormat, { month: width, timeZone: "UTC" }).format(
    Date.UTC(2024, index - 1, 1),
  );
