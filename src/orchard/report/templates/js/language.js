// Both languages stand in the page; the style shows the one that <html lang> names.
const words = JSON.parse(document.getElementById("words").textContent);
const onLanguage = [];
let language = "en";

function t(key, filled = {}) {
  return words[key][language].replace(/\{(\w+)\}/g, (_, name) => {
    const value = filled[name];
    return typeof value === "number" ? value.toLocaleString(language) : value;
  });
}

function remembered(key, value) {
  try {
    // a browser may forbid storage to pages opened from a disk
    if (value === undefined) return localStorage.getItem(key);
    localStorage.setItem(key, value);
  } catch {
    /* then each visit starts afresh */
  }
  return null;
}

function setLanguage(chosen) {
  language = chosen;
  document.documentElement.lang = chosen;
  const button = document.getElementById("language");
  button.textContent = chosen === "en" ? "Français" : "English";
  button.lang = chosen === "en" ? "fr" : "en";
  for (const element of document.querySelectorAll("[data-t-aria]"))
    element.setAttribute("aria-label", t(element.dataset.tAria));
  for (const element of document.querySelectorAll("[data-t-placeholder]"))
    element.placeholder = t(element.dataset.tPlaceholder);
  for (const update of onLanguage) update();
}

const onTheme = [];
const systemDark = matchMedia("(prefers-color-scheme: dark)");

const onPaper = matchMedia("print");

function isDark() {
  if (onPaper.matches) return false;
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : systemDark.matches;
}

function themeChanged() {
  document.getElementById("theme").setAttribute("aria-pressed", isDark());
  for (const update of onTheme) update();
}

function startSwitches() {
  const byLanguage = document.getElementById("language"),
    byTheme = document.getElementById("theme");
  byLanguage.hidden = byTheme.hidden = false;
  byLanguage.onclick = () => {
    setLanguage(language === "en" ? "fr" : "en");
    remembered("orchard-language", language);
  };
  byTheme.onclick = () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    themeChanged();
  };
  for (const media of [systemDark, onPaper]) media.addEventListener("change", themeChanged);
  setLanguage(
    remembered("orchard-language") || (navigator.language.startsWith("fr") ? "fr" : "en"),
  );
  themeChanged();
}
