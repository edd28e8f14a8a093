// ONNX Runtime Web, its WebAssembly-only build, as the app loads it: `npm ci && npm run build`.
// Zopfli's gzip is the same bytes on every machine, and browsers unpack it by themselves. The inner
// loop of the page's resize is assembled into static/narrow.js.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { gzipAsync } from "@gfx/zopfli";
import wabt from "wabt";

const FOLDER = "node_modules/onnxruntime-web";
const { name, version, license } = JSON.parse(readFileSync(`${FOLDER}/package.json`, "utf8"));
const script = readFileSync(`${FOLDER}/dist/ort.wasm.bundle.min.mjs`, "utf8");
const wasm = readFileSync(`${FOLDER}/dist/ort-wasm-simd-threaded.wasm`);
const files = {
  "runtime.js": Buffer.from(script.replace(/\n?\/\/# sourceMappingURL=.*\n?$/, "\n")),
  "runtime.wasm.gz": Buffer.from(await gzipAsync(wasm, { numiterations: 5 })),
};
const wat = readFileSync("narrow.wat", "utf8");
const narrow = Buffer.from((await wabt()).parseWat("narrow.wat", wat, { simd: true }).toBinary({}).buffer);
const page = readFileSync("../../static/narrow.js", "utf8");
const kernel = `const KERNEL =\n  "${narrow.toString("base64")}";`;
writeFileSync("../../static/narrow.js", page.replace(/const KERNEL =\s+"[^"]*";/, kernel));
const sums = [["narrow.wasm", narrow], ["runtime.wasm", wasm], ...Object.entries(files)].map(
  ([file, bytes]) => `${createHash("sha256").update(bytes).digest("hex")}  ${file}`,
);
for (const [file, bytes] of Object.entries(files)) writeFileSync(`../${file}`, bytes);
writeFileSync("../SHA256SUMS", `${sums.sort().join("\n")}\n`);
console.log(name, version, license, ...Object.entries(files).map(([f, b]) => `${f} ${b.length}`));
