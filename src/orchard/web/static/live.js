// Point the camera and the name follows; a button keeps the moment as a photo.
import { nameOf } from "./answer.js";
import { Classifier } from "./classifier.js";
import { about, identify, state } from "./device.js";
import { share, title } from "./show.js";
import { Steady } from "./steady.js";
import { language, percent, t } from "./texts.js";

const PAUSE = 200; // milliseconds between frames at least: a phone shall stay cool
const $ = (id) => document.getElementById(id);
let stream = null;

// keep: called with a photo of the moment.
export function live(keep) {
  $("live").hidden = !navigator.mediaDevices?.getUserMedia; // not over plain HTTP
  $("point").addEventListener("click", begin);
  $("stop").addEventListener("click", end);
  $("moment").addEventListener("click", async () => {
    const photo = await moment();
    end();
    keep(photo);
  });
  addEventListener("pagehide", end);
  document.addEventListener("visibilitychange", () => document.hidden && end());
}

async function begin() {
  try {
    const video = { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } };
    stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch {
    return caption(t("error_camera"));
  }
  $("film").srcObject = stream;
  await $("film").play();
  show(true);
  caption(t("live_wait"));
  follow(stream);
}

export function end() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  $("film").srcObject = null;
  show(false);
}

async function follow(own) {
  const steady = new Steady((...seen) => new Classifier({}, about).verdict(...seen));
  while (stream === own) {
    const began = performance.now();
    const found = state.ready ? await identify(await createImageBitmap($("film"))) : {};
    if (stream !== own) return;
    if (found.species) caption(words(steady.next(found)));
    await new Promise((resolve) => setTimeout(resolve, PAUSE - (performance.now() - began)));
  }
}

function words({ answer, species }) {
  if (answer === "not_a_fruit") return t("live_not_a_fruit");
  const named = species.map((one) => ({ ...one, name: nameOf(one.label, language) }));
  return `${title(answer, named)} · ${percent(share(answer, named))}`;
}

async function moment() {
  const film = $("film");
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: film.videoWidth, height: film.videoHeight });
  canvas.getContext("2d").drawImage(film, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
}

function caption(text) {
  $("caption").textContent = text;
  $("caption").hidden = false;
}

function show(isOn) {
  for (const id of ["film", "moment", "stop"]) $(id).hidden = !isOn;
  $("caption").hidden = !isOn;
  $("point").hidden = isOn;
  document.body.classList.toggle("filming", isOn);
}
