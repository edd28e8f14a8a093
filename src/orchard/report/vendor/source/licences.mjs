// Collect the licence of every package that went into the bundle.
import {existsSync, readFileSync, readdirSync, rmSync, writeFileSync} from "node:fs";

const used = new Set();
for (const file of Object.keys(JSON.parse(readFileSync("meta.json", "utf8")).inputs)) {
  const found = file.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (found) used.add(found[0].slice(0, -1));
}
const parts = ["Packages in charts.min.js, made by `npm ci && npm run build` in source/.\n"];
for (const folder of [...used].sort()) {
  const {name, version, license} = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? readFileSync(`${folder}/${file}`, "utf8").trim() : "(no licence file in the package)";
  parts.push(`${"=".repeat(78)}\n${name} ${version}: ${license}\n\n${text}\n`);
}
writeFileSync("../LICENSES.txt", parts.join("\n"));
if (existsSync("meta.json")) rmSync("meta.json");
