// Beside the page, so that it never waits: fetches the parts, then answers photos one by one.
import { Classifier } from "./classifier.js";
import { squares } from "./decode.js";
import { Network } from "./network.js";
import { part } from "./parts.js";
import { tensors } from "./tensors.js";

const NAMES = ["classifier", "network", "runtime"];
let ready = null; // what answers, or a promise of it
let before = Promise.resolve(); // one photo at a time: two would take twice the memory

function load({ parts, about }) {
  let come = 0;
  const all = NAMES.reduce((sum, name) => sum + parts[name].bytes, 0);
  const done = (bytes) => postMessage({ progress: Math.min(1, (come += bytes) / all) });
  return Promise.all(NAMES.map((name) => part(parts[name], done))).then(
    async ([arrays, graph, wasm]) => ({
      classifier: new Classifier(tensors(arrays), about),
      network: await Network.open(graph, wasm, about.network),
      about,
    }),
  );
}

async function answer({ photo, part }) {
  const started = performance.now();
  const { classifier, network, about } = await ready;
  const seen = await squares(photo, about.network, part);
  const decoded = performance.now();
  const found = classifier.answer(await network.features(seen));
  const seconds = { decode: decoded - started, network: performance.now() - decoded };
  for (const name of Object.keys(seconds)) seconds[name] /= 1000;
  return { ...found, seconds };
}

addEventListener("message", ({ data }) => {
  if (data.load) {
    ready = load(data.load);
    ready.then(
      () => postMessage({ ready: true }),
      (error) => postMessage({ failed: String(error) }),
    );
    return;
  }
  before = before.then(() =>
    answer(data).then(
      (found) => postMessage({ id: data.id, found }),
      (error) =>
        postMessage({ id: data.id, problem: error.code ?? "device", detail: String(error) }),
    ),
  );
});
