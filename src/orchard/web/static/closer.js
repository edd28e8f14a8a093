// Below the photo: another photo of the same fruit, and which part of this one is looked at.
import { framed, PLACES, touched } from "./crop.js";
import { el } from "./show.js";
import { spell, t } from "./texts.js";

// Found once: the tools are in the page only while there is an answer that they belong to.
const [tools, part, more, frame, image] = ["closer", "part", "more", "frame", "preview"].map((id) =>
  document.getElementById(id),
);
const WHOLE = "whole";
const TOUCHED = "touched";
let choose = () => {};
let isChosen = false; // by the list, which is out of the page until the answer
let current = null; // the part that is looked at; null for the whole photo

// told: the part that somebody chose, null for the whole photo.
export function choosing(told) {
  choose = told;
}

// Show which part is looked at, and offer the others in the page's language.
export function chooser(wanted = null) {
  current = wanted;
  const place = Object.keys(PLACES).find((name) => PLACES[name] === wanted);
  const names = [WHOLE, ...(wanted && !place ? [TOUCHED] : []), ...Object.keys(PLACES)];
  const options = names.map((value) => el("option", { value }, t(`part_${value}`)));
  part.replaceChildren(...options);
  part.value = wanted ? (place ?? TOUCHED) : WHOLE;
  framed(frame, image, wanted);
}

// The tools, for an answer of this device. hasRoom: whether one more photo may be added.
export function closer(hasRoom) {
  tools.hidden = false;
  more.hidden = !hasRoom;
  spell(tools); // they were not in the page when the language changed
  if (isChosen) queueMicrotask(() => part.focus({ preventScroll: true })); // where the keyboard was
  isChosen = false;
  return tools;
}

part.addEventListener("change", () => {
  isChosen = true;
  choose(PLACES[part.value] ?? null);
});
image.addEventListener("click", (event) => {
  const wanted = touched(image, event);
  if (wanted && tools.isConnected && !tools.hidden) choose(wanted);
});
image.addEventListener("load", () => framed(frame, image, current));
addEventListener("resize", () => framed(frame, image, current));
