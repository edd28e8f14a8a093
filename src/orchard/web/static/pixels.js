// Pillow's bicubic resize to the bit, and the views that the batch shows the network.
//
// What Pillow does of 8-bit pixels: Catmull-Rom's kernel (a = -0.5), stretched when it makes things
// smaller; weights as whole numbers of 22 bits; first along rows, rounded to 8 bits, then along
// columns; since Pillow 13 the other way round for tall images. Numbers are doubles there as here,
// but for the corners of the box, which are floats. A photo comes in strips of rows, so that no more
// than one strip of it is ever held as bytes.
const BITS = 22;
const HALF = 1 << (BITS - 1);
const SUPPORT = 2;
const ZOOM = 0.6; // of each side, about the middle: orchard.images.views.ZOOM

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

// One row of RGBA from `at` on to one of RGB in `out` from `to` on.
function along(row, at, { first, count, values, most }, out, to) {
  for (let i = 0; i < first.length; i++) {
    let red = HALF;
    let green = HALF;
    let blue = HALF;
    let pixel = (at + 4 * first[i]) | 0;
    const end = (i * most + count[i]) | 0;
    for (let j = (i * most) | 0; j < end; j = (j + 1) | 0) {
      const weight = values[j];
      red = (red + Math.imul(row[pixel], weight)) | 0;
      green = (green + Math.imul(row[pixel + 1], weight)) | 0;
      blue = (blue + Math.imul(row[pixel + 2], weight)) | 0;
      pixel = (pixel + 4) | 0;
    }
    out[to++] = clipped(red);
    out[to++] = clipped(green);
    out[to++] = clipped(blue);
  }
}

function copied(row, at, size, out, to) {
  for (let x = 0; x < size; x++)
    for (let colour = 0; colour < 3; colour++) out[to++] = row[at + 4 * x + colour];
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

// One square view of a photo: takes strips of RGBA rows, is then (size, size, 3) bytes.
class View {
  constructor(width, height, size, corners) {
    const [left, top, right, bottom] = corners.map(Math.fround);
    const across = width !== size || left !== 0 || right !== size;
    const upright = height !== size || top !== 0 || bottom !== size;
    Object.assign(this, { width, size });
    this.isTall = height > size && height - size > 2 * Math.max(0, width - size);
    this.across = across ? weights(width, left, right, size) : null;
    this.lines = upright ? weights(height, top, bottom, size) : null;
    this.first = this.lines ? this.lines.first[0] : 0;
    this.end = this.lines ? this.lines.first[size - 1] + this.lines.count[size - 1] : height;
    this.row = new Uint8Array(3 * size);
    this.columns = this.lines && new Columns(this.lines, this.isTall ? 4 * width : 3 * size, size);
    this.out = this.columns ? null : new Uint8Array(3 * size * size);
  }

  take(rgba, top, n) {
    const end = Math.min(top + n, this.end);
    for (let y = Math.max(top, this.first); y < end; y++) {
      const at = (y - top) * this.width * 4;
      if (this.isTall) this.columns.take(rgba, at, y);
      else if (this.columns) {
        this.narrow(rgba, at, this.row, 0);
        this.columns.take(this.row, 0, y);
      } else this.narrow(rgba, at, this.out, 3 * this.size * y);
    }
  }

  narrow(rgba, at, out, to) {
    if (this.across) along(rgba, at, this.across, out, to);
    else copied(rgba, at, this.size, out, to);
  }

  square() {
    if (!this.columns) return this.out;
    const summed = this.columns.bytes();
    if (!this.isTall) return summed;
    const out = new Uint8Array(3 * this.size * this.size);
    for (let y = 0; y < this.size; y++)
      this.narrow(summed, 4 * this.width * y, out, 3 * this.size * y);
    return out;
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

// Collects strips of a photo for all the views that the network is shown, by name.
export class Views {
  constructor(names, width, height, size) {
    Object.assign(this, { names, size, made: new Map() });
    for (const name of names) {
      const kind = name === "zoom" ? "zoom" : "plain";
      const cut = kind === "zoom" ? 1 - ZOOM : 0;
      const [left, top] = [(width * cut) / 2, (height * cut) / 2];
      const corners = [left, top, width - left, height - top];
      if (!this.made.has(kind)) this.made.set(kind, new View(width, height, size, corners));
    }
  }

  take(rgba, top, n) {
    for (const view of this.made.values()) view.take(rgba, top, n);
  }

  // In the order of the names, (size, size, 3) bytes each.
  squares() {
    const done = new Map([...this.made].map(([kind, view]) => [kind, view.square()]));
    return this.names.map((name) =>
      name === "mirror" ? mirrored(done.get("plain"), this.size) : done.get(name),
    );
  }
}
