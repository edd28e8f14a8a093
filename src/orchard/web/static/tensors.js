// safetensors: the length of a header of JSON, the header, the arrays, all little-endian.
const KINDS = { F32: Float32Array, I8: Int8Array, I32: Int32Array };

// {name: {shape, values}}; float16 comes as float32.
export function tensors(bytes) {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const found = {};
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [start, end] = data_offsets.map((offset) => 8 + length + offset);
    const own = bytes.slice(start, end).buffer;
    const values = dtype === "F16" ? widened(new Uint16Array(own)) : new KINDS[dtype](own);
    found[name] = { shape, values };
  }
  return found;
}

// IEEE 754 binary16 as numbers: sign, 5 bits of exponent, 10 of fraction.
export function widened(halves) {
  return Float32Array.from(halves, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}
