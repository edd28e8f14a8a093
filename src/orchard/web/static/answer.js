// What the classifier found, in the words of a language: the form that the API answers in.
import { about, cards } from "./device.js";

const NAMES_ONE = new Set(["sure", "unlike", "not_sure"]);
let known = {}; // cards of the language that was last asked for
let knownIn = "";

export async function worded(found, language) {
  if (language !== knownIn) {
    known = await cards(language);
    knownIn = language;
  }
  const best = found.species[0].label;
  return {
    answer: found.answer,
    species: found.species.map((guess) => species(guess, language)),
    varieties: found.varieties.map((guess) => variety(guess, language)),
    card: NAMES_ONE.has(found.answer) ? (known[best] ?? null) : null,
    nearest: found.nearest ?? [],
  };
}

export function nameOf(label, language) {
  return about.species[label].name[language];
}

function species({ label, probability }, language) {
  const { binomial, family } = about.species[label];
  return { id: label, name: nameOf(label, language), binomial, family, probability };
}

function variety({ label, probability }, language) {
  const { name } = about.classes.find((one) => one.label === label);
  return { label, name: name[language], probability };
}
