// From a photo to an answer: make it small here, ask, show. Nothing is loaded from elsewhere.
import { kept, keep, loadKept } from "./improve.js";
import { el, shown, summary } from "./show.js";
import { has, language, preferred, speak, t } from "./texts.js";

const SIDE = 1024; // pixels of the longer side that are sent: four times what the network sees
const $ = (id) => document.getElementById(id);
let last = null; // the photo on the page, and what was answered
let asked = 0; // only the latest question may show its answer

async function small(file) {
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = el("canvas", {
      width: Math.max(1, Math.round(bitmap.width * scale)),
      height: Math.max(1, Math.round(bitmap.height * scale)),
    });
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return await new Promise((resolve) =>
      canvas.toBlob((blob) => resolve(blob ?? file), "image/jpeg", 0.92),
    );
  } catch {
    return file; // what the browser cannot draw, the server may still read, or say why not
  }
}

async function ask(file, isNew = true) {
  const question = ++asked;
  const began = performance.now();
  waiting();
  const photo = await small(file);
  if (question !== asked) return;
  preview(photo);
  const answer = await identify(photo);
  if (question !== asked) return;
  if (answer.problem) return failed(answer.problem, file, isNew);
  last = { photo, answer, seconds: (performance.now() - began) / 1000 };
  render();
  if (isNew && $("improve").checked) await keep(photo, answer).catch(() => {});
}

async function identify(photo) {
  const headers = {
    "content-type": photo.type.startsWith("image/") ? photo.type : "application/octet-stream",
  };
  try {
    const response = await fetch(`/api/identify?lang=${language}`, {
      method: "POST",
      headers,
      body: photo,
    });
    const content = await response.json();
    return response.ok ? content : { problem: content.code ?? "other" };
  } catch {
    return { problem: "network" };
  }
}

function preview(photo) {
  URL.revokeObjectURL($("preview").src);
  Object.assign($("preview"), { src: URL.createObjectURL(photo), alt: t("photo"), hidden: false });
  $("welcome").hidden = true;
}

function waiting() {
  last = null;
  $("said").textContent = t("looking");
  $("result").setAttribute("aria-busy", "true");
  $("result").replaceChildren(el("p", { className: "panel waiting" }, t("looking")));
}

function render() {
  $("result").setAttribute("aria-busy", "false");
  $("result").replaceChildren(...shown(last.answer, last.seconds));
  $("said").textContent = summary(last.answer);
  scrollTo({ top: 0, behavior: "instant" });
}

function failed(code, file, isNew) {
  const key = has(`error_${code}`) ? `error_${code}` : "error_other";
  const again = el("button", { type: "button", className: "small" }, t("again"));
  again.addEventListener("click", () => ask(file, isNew));
  $("result").setAttribute("aria-busy", "false");
  $("result").replaceChildren(
    el("section", { className: "panel verdict unsure" }, el("p", {}, t(key)), again),
  );
  $("said").textContent = t(key);
}

async function changeLanguage(wanted) {
  await speak(wanted);
  const other = wanted === "en" ? "fr" : "en";
  Object.assign($("language"), {
    textContent: other === "fr" ? "Français" : "English",
    lang: other,
  });
  $("privacy").href = `/privacy?lang=${wanted}`;
  $("preview").alt = t("photo");
  loadKept();
  if (last) ask(last.photo, false); // the card is in the language it was asked in
}

function listen() {
  for (const input of [$("camera"), $("file")]) {
    input.addEventListener("change", () => {
      if (input.files[0]) ask(input.files[0]);
      input.value = "";
    });
  }
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    if (event.dataTransfer.files[0]) ask(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData.files[0]) ask(event.clipboardData.files[0]);
  });
  for (const name of ["online", "offline"])
    addEventListener(name, () => ($("offline").hidden = navigator.onLine));
  $("offline").hidden = navigator.onLine;
  $("language").addEventListener("click", () => {
    const wanted = language === "en" ? "fr" : "en";
    localStorage.setItem("lang", wanted);
    changeLanguage(wanted);
  });
}

$("help").hidden = document.documentElement.dataset.contributions !== "on";
kept($("kept"));
await changeLanguage(preferred());
listen();
document.documentElement.dataset.ready = "true";
fetch("/ready")
  .then((response) => response.json())
  .then(({ notice }) => ($("about").textContent = notice ?? ""))
  .catch(() => {});
navigator.serviceWorker?.register("/sw.js").catch(() => {});
