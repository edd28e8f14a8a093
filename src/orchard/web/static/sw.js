// The page works without a network, and changes from one whole version to another, never in part.
// The list is written in when the page is: its hashes are those of the files beside this one.
// Nothing of the API is ever kept: no photo, no answer.
const MANIFEST = { version: "", shell: {}, parts: {} };
const SHELL = `orchard-shell-${MANIFEST.version}`;
const PARTS = "orchard-parts";
const LIST = "files.json";

self.addEventListener("install", (event) => event.waitUntil(prepare()));
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));
self.addEventListener("message", ({ data }) => data === "take over" && self.skipWaiting());
self.addEventListener("fetch", (event) => {
  const name = nameOf(event.request);
  if (name !== null) event.respondWith(ours(event.request, name));
});

async function prepare() {
  const shell = await caches.open(SHELL);
  try {
    const names = Object.entries(MANIFEST.shell);
    await Promise.all(
      names.map(async ([name, sha256]) => shell.put(name, await exact(name, sha256))),
    );
    await shell.put(LIST, Response.json(MANIFEST));
    if (self.registration.active) await fetchParts(); // else the page itself is fetching them
  } catch (error) {
    await caches.delete(SHELL);
    throw error;
  }
}

async function fetchParts() {
  const parts = await caches.open(PARTS);
  for (const { file, sha256 } of Object.values(MANIFEST.parts))
    if (!(await parts.match(file))) await parts.put(file, await exact(file, sha256));
}

async function takeOver() {
  for (const name of await caches.keys())
    if (name.startsWith("orchard-") && name !== SHELL && name !== PARTS) await caches.delete(name);
  const parts = await caches.open(PARTS);
  const listed = Object.values(MANIFEST.parts).map(({ file }) => new URL(file, location).href);
  for (const request of await parts.keys())
    if (!listed.includes(request.url)) await parts.delete(request);
  await self.clients.claim();
}

// The file as it was when the list was written; anything else is another version.
async function exact(name, sha256) {
  const response = await fetch(name, { cache: "no-cache" });
  const bytes = await response.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (!response.ok || found !== sha256) throw new Error(`${name} is of another version`);
  return new Response(bytes, { headers: { "content-type": response.headers.get("content-type") } });
}

// The listed file that is asked for, null for all else.
function nameOf({ method, url }) {
  const scope = self.registration.scope;
  if (method !== "GET" || !url.startsWith(scope)) return null;
  const name = new URL(url).pathname.slice(new URL(scope).pathname.length) || "index.html";
  return Object.hasOwn(MANIFEST.shell, name) || name === LIST ? name : null;
}

async function ours(request, name) {
  const shell = await caches.open(SHELL);
  return (await shell.match(name)) ?? fetch(request);
}
