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

  // Squares of one photo → (d,) features: their mean over the views.
  async features(squares) {
    const found = [];
    for (const square of squares) found.push(await this.of(square));
    return found[0].map((_, j) => found.reduce((sum, one) => sum + one[j], 0) / found.length);
  }

  async of(square) {
    const { size, input } = this.description;
    const n = input.batch ?? 1;
    const one = arranged(square, size, input);
    const all = new one.constructor(n * one.length);
    all.set(one);
    const image = input.layout === "NHWC" ? [size, size, 3] : [3, size, size];
    const tensor = new Tensor(input.dtype, all, [n, ...image]);
    const outputs = await this.session.run({ [this.session.inputNames[0]]: tensor });
    const output = outputs[this.session.outputNames[0]];
    const features = Float32Array.from(output.data.subarray(0, output.data.length / n));
    output.dispose();
    tensor.dispose();
    return features;
  }
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
