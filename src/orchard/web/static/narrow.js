// The inner loop of the resize in WebAssembly: half the time that JavaScript takes.
// Assembled from orchard/web/vendor/source/narrow.wat, which says what it does.
const KERNEL =
  "AGFzbQEAAAABCwFgB39/f39/f38AAwIBAAUDAQABBxICBm1lbW9yeQIABWFsb25nAAAKyAEBxQECA38BeyAFRQRADwsDQCAAIAEoAgBBAnRqIQcgAyEIIAMgAigCAEECdGohCf0MAAAgAAAAIAAAACAAAAAgACEKAkADQCAIIAlPDQEgCiAH/VwCAP2JAf2pASAI/QkCAP21Af2uASEKIAdBBGohByAIQQRqIQgMAAsLIApBFv2sASEKIAogCv2FASEKIAogCv1mIQogBiAK/VoCAAAgAUEEaiEBIAJBBGohAiADIARqIQMgBkEEaiEGIAVBAWshBSAFDQALCw==";
const code = Uint8Array.from(atob(KERNEL), (letter) => letter.charCodeAt(0));
const { memory, along } = new WebAssembly.Instance(new WebAssembly.Module(code)).exports;
const PAGE = 65536;
let free = 0; // bytes that are taken, from 0 on

// What was placed before is given up: the memory is that of one photo.
export function clear() {
  free = 0;
}

// Where `length` bytes may lie.
export function room(length) {
  const at = free;
  free += (length + 15) & ~15;
  const missing = free - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  return at;
}

export const bytes = () => new Uint8Array(memory.buffer);

// From rows of RGBA at `row` to rows of `size` pixels.
export class Narrow {
  // weights: of pixels.js.
  constructor({ first, count, values, most }, row) {
    Object.assign(this, { row, size: first.length, stride: 4 * most });
    [this.first, this.count, this.values] = [first, count, values].map((numbers) => {
      const at = room(4 * numbers.length);
      new Int32Array(memory.buffer, at, numbers.length).set(numbers);
      return at;
    });
    this.out = room(4 * this.size);
  }

  // Of the row that lies there now, where the narrow one lies.
  narrow() {
    along(this.row, this.first, this.count, this.values, this.stride, this.size, this.out);
    return this.out;
  }
}
