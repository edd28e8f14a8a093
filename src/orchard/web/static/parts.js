// The parts that identify photos: fetched once, checked by their hash, kept, unpacked here.
// A part is named by its content, so that what is kept under its name is never out of date.
const KEPT = "orchard-parts";

// done: told how many bytes have come, as they come. Rejects where a part cannot be had whole.
export async function part({ file, sha256 }, done = () => {}) {
  const cache = await kept();
  const found = await cache?.match(file);
  if (found) {
    const bytes = new Uint8Array(await found.arrayBuffer());
    if (await matches(bytes, sha256)) {
      done(bytes.length);
      return unpacked(bytes);
    }
    await cache.delete(file);
  }
  const bytes = await fetched(file, done);
  if (!(await matches(bytes, sha256))) throw new Error(`${file} is not as it was made`);
  await cache?.put(file, new Response(bytes)).catch(() => {}); // a full disk is no reason to fail
  return unpacked(bytes);
}

export async function json(description) {
  return JSON.parse(new TextDecoder().decode(await part(description)));
}

// Over plain HTTP browsers keep nothing and compute no hash; the page then needs its server.
const kept = () => (globalThis.caches ? caches.open(KEPT).catch(() => null) : null);

async function fetched(file, done) {
  const response = await fetch(file, { cache: "no-store" }); // the part is kept once, not twice
  if (!response.ok) throw new Error(`${file}: ${response.status}`);
  const chunks = [];
  let length = 0;
  const reader = response.body.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    chunks.push(read.value);
    length += read.value.length;
    done(read.value.length);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

async function matches(bytes, sha256) {
  if (!globalThis.crypto?.subtle) return true;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
}

async function unpacked(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
