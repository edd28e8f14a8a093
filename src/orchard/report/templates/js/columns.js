// Columns of numbers, each in an element of its own, compressed: report/encoding.py says how.
const columns = (() => {
  const KINDS = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array };

  function bytesOf(base64) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
    const text = atob(base64),
      out = new Uint8Array(text.length);
    for (let i = 0; i < out.length; i++) out[i] = text.charCodeAt(i);
    return out;
  }

  async function inflated(bytes) {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // The lowest bytes of all numbers, then the next → the numbers.
  function joined(planes, kind) {
    const values = new KINDS[kind](planes.length / KINDS[kind].BYTES_PER_ELEMENT);
    for (let plane = 0, at = 0; at < planes.length; plane++)
      for (let i = 0; i < values.length; i++) values[i] |= planes[at++] << (8 * plane);
    return values;
  }

  // By name, all of them; null in a browser that cannot unpack them.
  async function all(known) {
    if (typeof DecompressionStream === "undefined") return null;
    const elements = [...document.querySelectorAll("script.column")];
    const read = async (element) => {
      const planes = await inflated(bytesOf(element.textContent));
      element.textContent = ""; // megabytes that nobody reads again
      return [element.dataset.name, joined(planes, known[element.dataset.name][0])];
    };
    return Object.fromEntries(await Promise.all(elements.map(read)));
  }

  return { all };
})();
