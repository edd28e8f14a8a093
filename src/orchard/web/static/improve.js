// "Help improve": off until chosen. The codes are kept in this browser alone, to erase by.
import { el } from "./show.js";
import { date, t } from "./texts.js";

const STORE = "contributions";
const box = document.getElementById("improve");
let list;

const read = () => JSON.parse(localStorage.getItem(STORE) ?? "[]");
const write = (items) => localStorage.setItem(STORE, JSON.stringify(items));

export function kept(node) {
  list = node;
  box.checked = localStorage.getItem("improve") === "on";
  box.addEventListener("change", () => localStorage.setItem("improve", box.checked ? "on" : "off"));
}

export async function keep(photo, answer) {
  const taken =
    answer.answer === "not_a_fruit" ? "" : `?taken_for=${encodeURIComponent(answer.species[0].id)}`;
  const type = photo.type.startsWith("image/") ? photo.type : "application/octet-stream";
  const response = await fetch(`api/contributions${taken}`, {
    method: "POST",
    headers: { "content-type": type },
    body: photo,
  });
  if (!response.ok) return;
  const { code, kept_until } = await response.json();
  write([...read(), { code, kept_until }]);
  loadKept();
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
