// The points, as typed arrays. Paths and labels are other people's text: only ever textContent.
const data = JSON.parse(document.getElementById("data").textContent);

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)).buffer;
}

const WORLD = 1000; // units the map is wide
const points = {
  n: data.n,
  label: new Uint16Array(bytesOf(data.label)),
  ratio: Float32Array.from(new Uint16Array(bytesOf(data.ratio)), (value) => value / 1000),
  near: new Uint16Array(bytesOf(data.near)),
  place: new Int32Array(bytesOf(data.place)),
  map: centred(new Uint16Array(bytesOf(data.xy)), 2),
  space: centred(new Uint16Array(bytesOf(data.xyz)), 3),
};

function centred(quantised, size) {
  // → x, y, z per point; the y axis of the plane points up
  const out = new Float32Array(data.n * 3);
  for (let i = 0; i < data.n; i++)
    for (let axis = 0; axis < size; axis++) {
      out[3 * i + axis] =
        (quantised[size * i + axis] / 65535 - 0.5) * WORLD * (axis === 1 && size === 2 ? -1 : 1);
    }
  return out;
}

function pathOf(i) {
  return data.start + data.paths[i];
}

function labelName(code) {
  const name = data.labels[code];
  return name === "" ? t("js_no_label") : name === data.other ? t("js_other") : name;
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

// Where a class's name stands: the median of its points, moved to the nearest of them.
const anchors = (() => {
  const members = data.labels.map(() => []);
  points.label.forEach((code, i) => members[code].push(i));
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
