// The page opens without a network: its own files are fetched each time and kept for that.
// Nothing of the API is ever kept: no photo, no answer.
const SHELL = "orchard-shell";
const FILES = [
  "/",
  "/privacy",
  "/app.js",
  "/show.js",
  "/texts.js",
  "/improve.js",
  "/style.css",
  "/en.json",
  "/fr.json",
  "/icon.svg",
  "/icon-192.png",
  "/manifest.webmanifest",
];

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(SHELL)
      .then((cache) => cache.addAll(FILES))
      .then(() => self.skipWaiting()),
  );
});
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (
    event.request.method !== "GET" ||
    url.origin !== location.origin ||
    !FILES.includes(url.pathname)
  )
    return;
  event.respondWith(fresh(event.request));
});

async function fresh(request) {
  const cache = await caches.open(SHELL);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const found = await cache.match(request, { ignoreSearch: true });
    if (found) return found;
    throw error;
  }
}
