// "Help improve": off until chosen. The codes are kept in this browser alone, to erase by.
import { el } from "./show.js";
import { date, t } from "./texts.js";

const STORE = "contributions";
const GIVER = "giver";
const box = document.getElementById("improve");
let list;

const read = () => JSON.parse(localStorage.getItem(STORE) ?? "[]");
const write = (items) => {
  localStorage.setItem(STORE, JSON.stringify(items));
  if (!items.length) localStorage.removeItem(GIVER);
};

export function kept(node) {
  list = node;
  box.checked = localStorage.getItem("improve") === "on";
  box.addEventListener("change", () => localStorage.setItem("improve", box.checked ? "on" : "off"));
}

// said: the species that it is, says the person; null where they said nothing. → its code, or null.
export async function keep(photo, answer, said = null) {
  const query = new URLSearchParams({ giver: giver() });
  if (answer.answer !== "not_a_fruit") query.set("taken_for", answer.species[0].id);
  if (said) query.set("said_to_be", said);
  const type = photo.type.startsWith("image/") ? photo.type : "application/octet-stream";
  const response = await fetch(`api/contributions?${query}`, {
    method: "POST",
    headers: { "content-type": type },
    body: photo,
  }).catch(() => null);
  if (!response?.ok) return null;
  const { code, kept_until } = await response.json();
  write([...read(), { code, kept_until }]);
  loadKept();
  return code;
}

// What a photo is that was kept before. → whether that is noted.
export async function correct(code, said) {
  const address = `api/contributions/${code}?said_to_be=${encodeURIComponent(said)}`;
  const response = await fetch(address, { method: "PUT" }).catch(() => null);
  return response?.ok ?? false;
}

// A mark that photos of this browser share while any is kept, so that nobody's photos are both
// learnt from and asked about in one test.
function giver() {
  const digits = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  );
  const mark = localStorage.getItem(GIVER) ?? digits.join("");
  localStorage.setItem(GIVER, mark);
  return mark;
}

export function loadKept() {
  const today = new Date().toISOString().slice(0, 10);
  const items = read().filter((item) => item.kept_until > today);
  write(items);
  list.replaceChildren(...items.map(row));
}

function row({ code, kept_until }) {
  const button = el("button", { type: "button" }, t("erase"));
  const line = el(
    "li",
    {},
    el("span", {}, `${t("kept", { date: date(kept_until) })} `, el("code", {}, code)),
    button,
  );
  button.addEventListener("click", async () => {
    const response = await fetch(`api/contributions/${code}`, { method: "DELETE" });
    if (!response.ok && response.status !== 404) return;
    write(read().filter((item) => item.code !== code));
    line.replaceChildren(el("span", { role: "status" }, t("erased")));
  });
  return line;
}
