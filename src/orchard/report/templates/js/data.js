// The points, as typed arrays. Paths and labels are other people's text: only ever textContent.
const data = JSON.parse(document.getElementById("data").textContent);

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)).buffer;
}

const WORLD = 1000; // units the map is wide
// Images beyond those that t-SNE placed; a page without them waits for nothing.
const rest = data.columns ? await columns.all(data.columns) : null;
const points = (() => {
  const n = data.n + (rest?.label.length ?? 0);
  const ratio = new Float32Array(n).fill(1),
    place = new Int32Array(n).fill(-1);
  new Uint16Array(bytesOf(data.ratio)).forEach((value, i) => {
    ratio[i] = value / 1000;
  });
  place.set(new Int32Array(bytesOf(data.place)));
  return {
    n,
    nPlaced: data.n,
    label: followed(new Uint16Array(bytesOf(data.label)), rest?.label),
    ratio,
    place,
    near: new Uint16Array(bytesOf(data.near)),
    map: followed(plane(interleaved()), rest && plane(rest.xy)),
    space: space(new Uint16Array(bytesOf(data.xyz))),
  };
})();

function followed(first, second) {
  if (!second) return first;
  const both = new first.constructor(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

// The placed ones' x and y in turn → all x, then all y, as columns are.
function interleaved() {
  const xy = new Uint16Array(bytesOf(data.xy));
  return xy.map((_, k) => (k < data.n ? xy[2 * k] : xy[2 * (k - data.n) + 1]));
}

function plane(xy) {
  // → x, y, z per point; the y axis of the plane points up
  const n = xy.length / 2,
    out = new Float32Array(n * 3);
  for (let i = 0; i < n; i++) {
    out[3 * i] = (xy[i] / 65535 - 0.5) * WORLD;
    out[3 * i + 1] = -(xy[n + i] / 65535 - 0.5) * WORLD;
  }
  return out;
}

function space(xyz) {
  return Float32Array.from(xyz, (value) => (value / 65535 - 0.5) * WORLD);
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const pathEnds = rest && ends(rest.lengths); // where in rest.paths each path ends

function ends(lengths) {
  let sum = 0;
  return lengths.map((length) => (sum += length));
}

// The part of a path behind the folder that all lie in; "" where the page leaves it out.
function shortPath(i) {
  if (i < data.n) return data.paths[i];
  if (!rest) return ""; // a browser of before 2023
  const k = i - data.n;
  return k < pathEnds.length
    ? utf8.decode(rest.paths.subarray(pathEnds[k - 1] ?? 0, pathEnds[k]))
    : "";
}

// All of them, at once: of a million, one by one takes a second.
function shortPaths() {
  if (!rest) return data.paths;
  const text = utf8.decode(rest.paths),
    isPlain = text.length === rest.paths.length; // a character a byte
  const others = Array.from({ length: points.n - data.n }, (_, k) =>
    isPlain && k < pathEnds.length
      ? text.slice(pathEnds[k - 1] ?? 0, pathEnds[k])
      : shortPath(data.n + k),
  );
  return data.paths.concat(others);
}

const hasPath = (i) => i < data.n || shortPath(i) !== "";

function pathOf(i) {
  return hasPath(i) ? data.start + shortPath(i) : t("js_path_left_out");
}

function labelName(code) {
  const name = data.labels[code];
  const none = () => (data.areClusters ? t("js_no_cluster") : t("js_no_label"));
  return name === "" ? none() : name === data.other ? t("js_other") : name;
}

function colourOf(code) {
  return data.colours[code][isDark() ? 1 : 0];
}

function rgbOf(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

const countOf = new Uint32Array(data.labels.length);
for (const code of points.label) countOf[code]++;

function medianOf(values) {
  values.sort((a, b) => a - b);
  return values[values.length >> 1];
}

// Where a class's name stands: the median of its points, moved to the nearest of them. Those that
// t-SNE placed hold each class in proportion.
const anchors = (() => {
  const members = data.labels.map(() => []);
  for (let i = 0; i < data.n; i++) members[points.label[i]].push(i);
  return members.map((own) => {
    if (!own.length) return -1;
    const [x, y] = [0, 1].map((axis) => medianOf(own.map((i) => points.map[3 * i + axis])));
    let best = own[0],
      least = Infinity;
    for (const i of own) {
      const apart = (points.map[3 * i] - x) ** 2 + (points.map[3 * i + 1] - y) ** 2;
      if (apart < least) [best, least] = [i, apart];
    }
    return best;
  });
})();

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function swatch(code) {
  const element = make("span", { className: "swatch" });
  element.style.setProperty("--light", data.colours[code][0]);
  element.style.setProperty("--dark", data.colours[code][1]);
  return element;
}
