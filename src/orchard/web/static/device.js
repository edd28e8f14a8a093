// The page's side of the worker: what to load, how far it is, questions and their answers.
import { json } from "./parts.js";

const asked = new Map(); // questions that wait, by number
let number = 0;
let worker = null;
let begun = Promise.resolve(); // once the worker is there, or will not be
let description;

export const state = { progress: 0, ready: false, failed: false };
export let about;

// told: called whenever `state` has changed.
export function start(told) {
  begun = open(told);
  return begun;
}

async function open(told) {
  Object.assign(state, { progress: 0, ready: false, failed: false });
  worker?.terminate();
  try {
    const [files, own] = await Promise.all(["files.json", "classifier.json"].map(read));
    description = files.parts;
    about = own;
    worker = new Worker("worker.js", { type: "module" });
    worker.onmessage = ({ data }) => heard(data, told);
    worker.onerror = () => fail(told);
    worker.postMessage({ load: { parts: description, about } });
  } catch {
    fail(told);
  }
}

// photo: a Blob or an ImageBitmap. part: of it, see crop.js. → what the classifier found, or {problem}.
export async function identify(photo, part = null) {
  await begun; // a photo may be faster than what describes the network
  if (state.failed || !worker) return { problem: "device" };
  const id = ++number;
  const transfer = photo instanceof ImageBitmap ? [photo] : [];
  return new Promise((resolve) => {
    asked.set(id, resolve);
    worker.postMessage({ id, photo, part }, transfer);
  });
}

export const cards = (language) => json(description[`cards.${language}`]).catch(() => ({}));

async function read(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(name);
  return response.json();
}

function heard({ id, found, problem, progress, ready, failed }, told) {
  if (id !== undefined) {
    asked.get(id)?.(found ?? { problem });
    asked.delete(id);
  } else if (failed) fail(told);
  else {
    Object.assign(state, ready ? { ready, progress: 1 } : { progress });
    told();
  }
}

function fail(told) {
  state.failed = true;
  for (const resolve of asked.values()) resolve({ problem: "device" });
  asked.clear();
  told();
}
