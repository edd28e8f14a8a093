// An answer of the API as elements of the page. Text is set as text, never as markup.
import { month, number, percent, t } from "./texts.js";

export function el(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child != null));
  return node;
}

// What follows the verdict: it takes longer to make, and can come a moment later.
export function details(answer, seconds) {
  return [
    answer.nearest.length ? why(answer.nearest) : null,
    ...(answer.card ? card(answer.card) : []),
    el(
      "p",
      { className: "note" },
      t("seconds", { seconds: number(seconds, { maximumFractionDigits: 1 }) }),
    ),
  ].filter(Boolean);
}

// What a screen reader is told without being asked: the answer alone, not the whole card.
export function summary({ answer, species }) {
  if (answer === "not_a_fruit") return t("not_a_fruit_title");
  return `${title(answer, species)}, ${percent(share(answer, species))}`;
}

// The probability that the title is right.
export function share(answer, [best, second]) {
  return answer === "either" ? best.probability + second.probability : best.probability;
}

// The answer in a line, of the species with their names, best first.
export function title(answer, [{ name }, second]) {
  if (answer === "sure") return name;
  if (answer === "either")
    return t("either_title", { name, other: second.name.toLocaleLowerCase() });
  if (answer === "not_sure") return t("not_sure_title", { name });
  if (answer === "not_a_fruit") return t("not_a_fruit_title");
  const inside = name.toLocaleLowerCase();
  return t(/^[aeiou]/.test(inside) ? "unlike_title_vowel" : "unlike_title", { name: inside });
}

export function verdict({ answer, species, varieties, card }) {
  const best = species[0];
  const more =
    answer === "sure"
      ? null
      : el("p", { className: "note" }, t(`${answer}_more`, { name: best.name }));
  const known = answer !== "not_a_fruit";
  const heading = el("h1", {}, title(answer, species));
  const latin =
    known && answer !== "either" && best.binomial
      ? el("p", {}, el("i", { lang: "la" }, best.binomial), ` · ${best.family}`)
      : null;
  const guesses = known
    ? el(
        "ul",
        { className: "guesses" },
        ...species
          .slice(0, 3)
          .filter((one) => one === best || one.probability >= 0.01)
          .map(guess),
      )
    : null;
  const fine = known && varieties.length && card ? variety(varieties, best) : null;
  return el(
    "section",
    { className: `panel verdict ${answer === "sure" ? "" : "unsure"}` },
    el("span", { className: "badge" }, t(answer)),
    heading,
    latin,
    more,
    guesses,
    fine,
  );
}

function guess({ name, probability }) {
  return el(
    "li",
    {},
    el("b", {}, name),
    bar(name, probability),
    el("span", {}, percent(probability)),
  );
}

// Browsers draw their own meters each in another way, some of them half as high as they are.
function bar(name, share) {
  const filled = el("span");
  filled.style.width = `${100 * share}%`;
  const meter = el("div", { className: "bar", role: "meter", ariaLabel: name }, filled);
  Object.assign(meter, { ariaValueMin: "0", ariaValueMax: "100", ariaValueNow: `${100 * share}` });
  meter.ariaValueText = percent(share);
  return meter;
}

function variety(varieties, best) {
  const merged = new Map();
  for (const { name, probability } of varieties)
    merged.set(name, (merged.get(name) ?? 0) + probability);
  const rows = [...merged].filter(([name, p]) => p >= 0.01 && name !== best.name).slice(0, 3);
  if (!rows.length) return null;
  return el(
    "details",
    {},
    el("summary", {}, t("varieties")),
    el(
      "ul",
      { className: "guesses" },
      ...rows.map(([name, probability]) => guess({ name, probability })),
    ),
  );
}

function why(nearest) {
  const figures = nearest.map(({ name, thumbnail }) => {
    const picture = el("img", {
      src: thumbnail,
      alt: "",
      loading: "lazy",
      width: 104,
      height: 104,
    });
    picture.addEventListener("error", () => (picture.hidden = true));
    return el("figure", {}, picture, el("figcaption", {}, name));
  });
  const strip = el(
    "div",
    { className: "nearest", tabIndex: 0, ariaLabel: t("why_more") },
    ...figures,
  );
  strip.setAttribute("role", "group");
  return el(
    "section",
    { className: "panel" },
    el("h2", {}, t("why")),
    el("p", { className: "note" }, t("why_more")),
    strip,
  );
}

function card(card) {
  const cite = citations(card.sources);
  const fact = (name) => [
    el("dt", {}, t(name)),
    el("dd", {}, card[name].text, cite(card[name].sources)),
  ];
  const season = (place) => [
    el("dt", {}, t(`season_${place}`)),
    el("dd", {}, ...months(card.season[place]), cite(card.season.sources)),
  ];
  return [
    el(
      "section",
      { className: "panel" },
      el("h2", {}, card.name),
      el(
        "dl",
        { className: "facts" },
        ...season("france"),
        ...season("eu"),
        ...fact("ripeness"),
        ...fact("keeping"),
        ...fact("origin"),
        ...fact("biodiversity"),
      ),
    ),
    el(
      "section",
      { className: "panel" },
      el("h2", {}, t("nutrition")),
      nutrition(card.nutrition, cite),
    ),
    el(
      "section",
      { className: "panel" },
      el(
        "details",
        {},
        el("summary", {}, t("sources")),
        el("ol", { className: "sources" }, ...card.sources.map(source)),
      ),
    ),
  ];
}

function months({ months, grown }) {
  const now = new Date().getMonth() + 1;
  const names =
    months.length === 12 ? t("all_year") : months.map((index) => month(index, "long")).join(", ");
  const strip = el(
    "ol",
    { className: "months", ariaHidden: "true" },
    ...Array.from({ length: 12 }, (_, index) =>
      el(
        "li",
        {
          className:
            `${months.includes(index + 1) ? "on" : ""} ${index + 1 === now ? "now" : ""}`.trim(),
        },
        month(index + 1, "narrow"),
      ),
    ),
  );
  return [
    strip,
    el("span", { className: "offscreen" }, names),
    grown ? null : el("span", { className: "note" }, `${t("imported")} `),
  ].filter(Boolean);
}

function nutrition({ energy_kcal, nutrients, food, near, computed, sources }, cite) {
  const row = (label, amount, unit) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, label),
      el("td", {}, `${number(amount, { maximumSignificantDigits: 3 })} ${unit}`),
    );
  const notes = [
    t(near ? "nutrition_near" : "nutrition_food", { food }),
    computed ? t("nutrition_computed") : "",
  ].join(" ");
  return el(
    "div",
    {},
    el(
      "table",
      {},
      el(
        "tbody",
        {},
        row(t("energy"), energy_kcal, "kcal"),
        ...nutrients.map((one) => row(one.label, one.amount, one.unit)),
      ),
    ),
    el("p", { className: "note" }, notes, cite(sources)),
  );
}

function citations(sources) {
  const numbers = new Map(sources.map(({ id }, index) => [id, index + 1]));
  return (ids) =>
    el(
      "sup",
      {},
      ` ${ids
        .map((id) => numbers.get(id))
        .filter(Boolean)
        .join(", ")}`,
    );
}

function source({ name, what, url }, index) {
  const link = el("a", { href: url, rel: "noreferrer noopener", target: "_blank" }, name);
  return el("li", {}, `${index + 1}. `, link, ` – ${what}`);
}
