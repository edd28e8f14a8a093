// Below the photo: another photo of the same fruit, and which part of this one is looked at.
import { framed, PLACES, touched } from "./crop.js";
import { el } from "./show.js";
import { t } from "./texts.js";

const $ = (id) => document.getElementById(id);
const WHOLE = "whole";
const TOUCHED = "touched";
let choose = () => {};
let current = null; // the part that is looked at; null for the whole photo

// told: the part that somebody chose, null for the whole photo.
export function choosing(told) {
  choose = told;
}

// Show which part is looked at, and offer the others in the page's language.
export function chooser(part = null) {
  current = part;
  const place = Object.keys(PLACES).find((name) => PLACES[name] === part);
  const names = [WHOLE, ...(part && !place ? [TOUCHED] : []), ...Object.keys(PLACES)];
  const options = names.map((value) => el("option", { value }, t(`part_${value}`)));
  $("part").replaceChildren(...options);
  $("part").value = part ? (place ?? TOUCHED) : WHOLE;
  framed($("frame"), $("preview"), part);
}

// The tools are there once a photo is answered, by this device.
export function closer(hasRoom) {
  $("closer").hidden = false;
  $("more").hidden = !hasRoom;
  framed($("frame"), $("preview"), current);
}

export const close = () => ($("closer").hidden = true);

$("part").addEventListener("change", () => choose(PLACES[$("part").value] ?? null));
$("preview").addEventListener("click", (event) => {
  const part = touched($("preview"), event);
  if (part && !$("closer").hidden) choose(part);
});
$("preview").addEventListener("load", () => framed($("frame"), $("preview"), current));
addEventListener("resize", () => framed($("frame"), $("preview"), current));
