// "Was I right?": what a person says goes with the photo that helps, and only with it.
import { nameOf } from "./answer.js";
import { about } from "./device.js";
import { correct, keep } from "./improve.js";
import { small } from "./server.js";
import { el } from "./show.js";
import { compare, language, t } from "./texts.js";

const OTHER = "other"; // none of the species that can be told
const days = document.documentElement.dataset.keepDays;
export const canHelp = document.documentElement.dataset.contributions === "on";

// Keep photos that are not kept yet: [{photo, given}], given: a promise of the code, or of null.
export function give(photos, answer, said = null) {
  for (const one of photos) one.given ??= small(one.photo).then((it) => keep(it, answer, said));
}

// Note what the photos show, and keep them where they are not kept yet. → whether that was done.
export async function say(photos, answer, said) {
  const given = await Promise.all(photos.map((one) => one.given));
  photos.forEach((one, number) => given[number] || delete one.given);
  give(photos, answer, said);
  const codes = await Promise.all(photos.map((one) => one.given));
  const old = codes.filter((code, number) => code && given[number]);
  const noted = await Promise.all(old.map((code) => correct(code, said)));
  for (const one of photos) one.said = said;
  return codes.every(Boolean) && noted.every(Boolean);
}

// tell: told a species' id; resolves to whether it could be sent.
export function wasRight(answer, photos, tell) {
  const said = photos.some((one) => one.said);
  const told = el("p", { className: "note", role: "status" }, said ? t("right_thanks") : "");
  const other = choice();
  const consent = el("div", { hidden: true });
  const send = async (id) => {
    consent.hidden = true;
    told.textContent = t((await tell(id)) ? "right_thanks" : "right_failed");
  };
  const chosen = (id) => {
    if (photos.every((one) => one.given)) return send(id);
    const button = el("button", { type: "button", className: "small" }, t("right_send"));
    button.addEventListener("click", () => send(id));
    consent.replaceChildren(el("p", { className: "note" }, t("right_consent", { days })), button);
    consent.hidden = false;
    told.textContent = "";
  };
  const yes = confirmed(answer).map(({ id, name }) => {
    const button = el("button", { type: "button", className: "small" }, name);
    button.addEventListener("click", () => chosen(id));
    return button;
  });
  other.addEventListener("change", () => other.value && chosen(other.value));
  return el(
    "section",
    { className: "panel right" },
    el("h2", {}, t("right")),
    el(
      "div",
      { className: "says" },
      ...yes,
      el("label", { className: "part" }, el("span", {}, t("right_is")), " ", other),
    ),
    consent,
    told,
  );
}

// What the person can say of the answer with one press: [{id, name}], name: on the button.
function confirmed({ answer, species: [best, second] }) {
  if (answer === "either") return [best, second];
  return [{ id: answer === "not_a_fruit" ? OTHER : best.id, name: t("right_yes") }];
}

function choice() {
  const names = Object.keys(about.species).map((id) => [id, nameOf(id, language)]);
  names.sort(([, a], [, b]) => compare(a, b));
  const options = [["", t("right_choose")], ...names, [OTHER, t("right_other")]];
  return el("select", {}, ...options.map(([value, name]) => el("option", { value }, name)));
}
