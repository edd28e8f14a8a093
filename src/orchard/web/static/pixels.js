// Pillow's bicubic resize to the bit, and the views that the batch shows the network.
//
// What Pillow does of 8-bit pixels: Catmull-Rom's kernel (a = -0.5), stretched when it makes things
// smaller; weights as whole numbers of 22 bits; first along rows, rounded to 8 bits, then along
// columns; since Pillow 13 the other way round for tall images. Numbers are doubles there as here,
// but for the corners of the box, which are floats. A photo comes in strips of rows, so that no more
// than one strip of it is ever held as bytes. Between the passes there are four bytes a pixel.
import { bytes, clear, Narrow, room } from "./narrow.js";

const BITS = 22;
const HALF = 1 << (BITS - 1);
const SUPPORT = 2;
const MIDDLES = { zoom: 0.6, near: 0.4 }; // of each side: orchard.images.views.MIDDLES

function kernel(x) {
  const d = Math.abs(x);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * -0.5 : 0;
}

// Of each of `size` pixels: its first source pixel, how many, and their weights, `most` a row.
export function weights(length, from, to, size) {
  const scale = Math.fround(to - from) / size;
  const stretch = Math.max(scale, 1);
  const support = SUPPORT * stretch;
  const most = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(size);
  const count = new Int32Array(size);
  const values = new Int32Array(size * most);
  for (let i = 0; i < size; i++) {
    const centre = from + (i + 0.5) * scale;
    first[i] = Math.max(0, Math.trunc(centre - support + 0.5));
    count[i] = Math.min(length, Math.trunc(centre + support + 0.5)) - first[i];
    const shares = Array.from({ length: count[i] }, (_, j) =>
      kernel((j + first[i] - centre + 0.5) * (1 / stretch)),
    );
    const sum = shares.reduce((total, share) => total + share, 0);
    shares.forEach((share, j) => {
      const whole = (sum === 0 ? share : share / sum) * (1 << BITS);
      values[i * most + j] = Math.trunc(whole < 0 ? whole - 0.5 : whole + 0.5);
    });
  }
  return { first, count, values, most };
}

function clipped(sum) {
  const value = sum >> BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

// Sums along columns as rows come: of `size` rows of `width` bytes.
class Columns {
  constructor(lines, width, n) {
    Object.assign(this, { lines, width });
    this.sums = new Int32Array(n * width).fill(HALF);
    this.lowest = 0; // rows of the result above it have all that is theirs
  }

  take(row, at, y) {
    const { first, count, values, most } = this.lines;
    const { sums, width } = this;
    while (first[this.lowest] + count[this.lowest] <= y) this.lowest++;
    for (let i = this.lowest; i < first.length && first[i] <= y; i++) {
      const weight = values[i * most + y - first[i]];
      const to = i * width;
      for (let x = 0; x < width; x++)
        sums[to + x] = (sums[to + x] + Math.imul(row[at + x], weight)) | 0;
    }
  }

  bytes() {
    return Uint8Array.from(this.sums, clipped);
  }
}

// One square view of a photo, whose rows lie at `row` one by one; then (size, size, 3) bytes.
class View {
  constructor(width, height, size, corners, row) {
    const [left, top, right, bottom] = corners.map(Math.fround);
    const across = width !== size || left !== 0 || right !== size;
    const upright = height !== size || top !== 0 || bottom !== size;
    Object.assign(this, { width, size, row });
    this.isTall = height > size && height - size > 2 * Math.max(0, width - size);
    this.across = across ? new Narrow(weights(width, left, right, size), row) : null;
    const lines = upright ? weights(height, top, bottom, size) : null;
    this.first = lines ? lines.first[0] : 0;
    this.end = lines ? lines.first[size - 1] + lines.count[size - 1] : height;
    this.columns = lines && new Columns(lines, 4 * (this.isTall ? width : size), size);
    this.out = new Uint8Array(3 * size * size);
  }

  take(y) {
    if (y < this.first || y >= this.end) return;
    if (this.isTall) this.columns.take(bytes(), this.row, y);
    else if (this.columns) this.columns.take(bytes(), this.narrow(), y);
    else this.put(bytes(), this.narrow(), y);
  }

  narrow() {
    return this.across ? this.across.narrow() : this.row;
  }

  put(row, at, y) {
    for (let x = 0, to = 3 * this.size * y; x < this.size; x++)
      for (let colour = 0; colour < 3; colour++) this.out[to++] = row[at + 4 * x + colour];
  }

  square() {
    const summed = this.columns?.bytes();
    for (let y = 0; summed && y < this.size; y++) {
      if (this.isTall) {
        bytes().set(summed.subarray(4 * this.width * y, 4 * this.width * (y + 1)), this.row);
        this.put(bytes(), this.narrow(), y);
      } else this.put(summed, 4 * this.size * y, y);
    }
    return this.out;
  }
}

function mirrored(square, size) {
  const out = new Uint8Array(square.length);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const from = 3 * (y * size + x);
      out.set(square.subarray(from, from + 3), 3 * (y * size + size - 1 - x));
    }
  return out;
}

// Collects strips of one photo, and no other meanwhile, for all the views that the network is shown.
// A name may end in a size smaller than `size`, as in "zoom:96".
export class Views {
  constructor(names, width, height, size) {
    clear();
    Object.assign(this, { width, row: room(4 * width), made: new Map() });
    this.wanted = names.map((name) => {
      const [kind, own] = name.split(":");
      const side = own ? Number(own) : size;
      return { kind, side, from: `${MIDDLES[kind] ?? 1}:${side}` };
    });
    for (const { kind, side, from } of this.wanted) {
      const cut = 1 - (MIDDLES[kind] ?? 1);
      const [left, top] = [(width * cut) / 2, (height * cut) / 2];
      const corners = [left, top, width - left, height - top];
      if (!this.made.has(from))
        this.made.set(from, new View(width, height, side, corners, this.row));
    }
  }

  // n rows of RGBA, the first of them row `top` of the photo.
  take(rgba, top, n) {
    for (let y = 0; y < n; y++) {
      bytes().set(rgba.subarray(4 * this.width * y, 4 * this.width * (y + 1)), this.row);
      for (const view of this.made.values()) view.take(top + y);
    }
  }

  // In the order of the names, (side, side, 3) bytes each.
  squares() {
    const done = new Map([...this.made].map(([from, view]) => [from, view.square()]));
    return this.wanted.map(({ kind, side, from }) =>
      kind === "mirror" ? mirrored(done.get(from), side) : done.get(from),
    );
  }
}
