// The network in ONNX Runtime Web, on one thread, which every browser grants.
import { env, InferenceSession, Tensor } from "./runtime.js";

const ERRORS = 3; // a graph in int8 has constants that are left over, of which it would warn

export class Network {
  // graph, wasm: bytes. description: `network` of classifier.json.
  static async open(graph, wasm, description) {
    env.logLevel = "error";
    env.wasm.numThreads = 1;
    env.wasm.wasmBinary = wasm;
    const options = { executionProviders: ["wasm"], logSeverityLevel: ERRORS };
    const session = await InferenceSession.create(graph, options);
    return new Network(session, description);
  }

  constructor(session, description) {
    Object.assign(this, { session, description });
  }

  // Squares of one photo → (d,) features: their mean over the views. Each network in the graph is
  // shown its own squares, of its own size.
  async features(squares) {
    const { branches } = this.description;
    const found = [];
    for (let view = 0; view < branches[0].shown.length; view++)
      found.push(await this.of(branches.map(({ shown }) => squares[shown[view]])));
    return found[0].map((_, j) => found.reduce((sum, one) => sum + one[j], 0) / found.length);
  }

  async of(squares) {
    const { branches } = this.description;
    const n = branches.reduce((most, { input }) => Math.max(most, input.batch ?? 1), 1);
    const feeds = {};
    branches.forEach((branch, i) => {
      feeds[branch.tensor || this.session.inputNames[0]] = batched(squares[i], branch, n);
    });
    const outputs = await this.session.run(feeds);
    const output = outputs[this.session.outputNames[0]];
    const features = Float32Array.from(output.data.subarray(0, output.data.length / n));
    output.dispose();
    for (const tensor of Object.values(feeds)) tensor.dispose();
    return features;
  }
}

// One square as a graph takes it that computes n at a time.
function batched(square, { size, input }, n) {
  const one = arranged(square, size, input);
  const all = new one.constructor(n * one.length);
  all.set(one);
  const image = input.layout === "NHWC" ? [size, size, 3] : [3, size, size];
  return new Tensor(input.dtype, all, [n, ...image]);
}

// (size, size, 3) bytes → what the graph takes: orchard.model.embedder.to_input.
export function arranged(square, size, { layout, dtype, scale, offset }) {
  const plane = size * size;
  const values = dtype === "uint8" ? new Uint8Array(3 * plane) : new Float32Array(3 * plane);
  for (let pixel = 0; pixel < plane; pixel++)
    for (let colour = 0; colour < 3; colour++) {
      const byte = square[3 * pixel + colour];
      const to = layout === "NHWC" ? 3 * pixel + colour : colour * plane + pixel;
      values[to] =
        dtype === "uint8"
          ? byte
          : Math.fround(byte * Math.fround(scale[colour] ?? scale[0])) +
            Math.fround(offset[colour] ?? offset[0]);
    }
  return values;
}
