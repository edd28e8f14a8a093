// The map and the 3-D view: one set of dots, drawn by deck.gl; pointing is answered here.
const stage = document.getElementById("stage");
const state = {
  hidden: new Set(), // label codes
  matched: null, // Uint8Array by point while searching, else null
  kept: null, // Uint8Array by point while filters are set, else null
  selected: null, // Uint8Array by point while some are selected, else null
  pointedClass: -1,
  hover: -1,
  picked: -1,
  mode: "map",
  names: true,
  photos: true,
};
let deck = null; // null without WebGL 2: the overlay then draws the dots
let shown = new Uint32Array(0); // points in the order they are drawn, dimmed ones first
let nDimmed = 0;

function positions() {
  return state.mode === "map" ? points.map : points.space;
}
function size() {
  return [stage.clientWidth || 1, stage.clientHeight || 1];
}

function isDimmed(i) {
  if (state.selected && !state.selected[i]) return true;
  if (state.matched) return !state.matched[i];
  return state.pointedClass >= 0 && points.label[i] !== state.pointedClass;
}

function choose() {
  const n = state.mode === "space" ? points.nPlaced : points.n;
  const all = new Uint32Array(n); // dimmed ones from the start, the others from the end
  const isShown = (i) => !state.hidden.has(points.label[i]) && (!state.kept || state.kept[i]);
  let last = n;
  nDimmed = 0;
  for (let i = n - 1; i >= 0; i--) if (isShown(i) && !isDimmed(i)) all[--last] = i;
  for (let i = 0; i < n; i++) if (isShown(i) && isDimmed(i)) all[nDimmed++] = i;
  all.copyWithin(nDimmed, last);
  shown = all.subarray(0, nDimmed + n - last);
}

function layers() {
  if (dots.areMany()) return []; // the overlay draws them
  const position = new Float32Array(shown.length * 3),
    colour = new Uint8Array(shown.length * 4);
  const palette = data.labels.map((_, code) => rgbOf(colourOf(code)));
  const from = positions();
  for (let k = 0; k < shown.length; k++) {
    const point = shown[k],
      rgb = palette[points.label[point]];
    for (let axis = 0; axis < 3; axis++) {
      position[3 * k + axis] = from[3 * point + axis];
      colour[4 * k + axis] = rgb[axis];
    }
    colour[4 * k + 3] = k < nDimmed ? 28 : 225;
  }
  const made = [
    new charts.ScatterplotLayer({
      id: `dots-${state.mode}`,
      data: {
        length: shown.length,
        attributes: {
          getPosition: { value: position, size: 3 },
          getFillColor: { value: colour, size: 4, normalized: true },
        },
      },
      getRadius: dotRadius() / 2 ** fitZoom,
      radiusUnits: "common",
      radiusMinPixels: 1.5,
      radiusMaxPixels: 9,
      billboard: state.mode === "space",
      parameters: { depthCompare: state.mode === "space" ? "less-equal" : "always" },
    }),
  ];
  if (state.mode === "space") made.push(axes());
  return made;
}

function dotRadius() {
  // pixels when all is in view
  return Math.max(
    1.6,
    Math.min(5, 220 / Math.sqrt(points.n)) * Math.min(1, Math.min(...size()) / 700),
  );
}

function axes() {
  const half = WORLD / 2,
    grey = isDark() ? [170, 180, 172, 160] : [90, 100, 94, 150];
  const ends = [
    [half, 0, 0],
    [0, half, 0],
    [0, 0, half],
  ];
  return new charts.LineLayer({
    id: "axes",
    data: ends,
    getSourcePosition: (end) => end.map((v) => -v),
    getTargetPosition: (end) => end,
    getColor: grey,
    getWidth: 1,
    widthUnits: "pixels",
  });
}

function redraw() {
  choose();
  if (deck) deck.setProps({ layers: layers() });
  overlay.request();
}

// Screen position of points: a function of (point) → [x, y, depth], for the present view.
function projector() {
  const [width, height] = size(),
    view = views[state.mode],
    from = positions();
  if (state.mode === "map") {
    const scale = 2 ** view.zoom,
      [x, y] = view.target;
    return (i) => [
      (from[3 * i] - x) * scale + width / 2,
      (from[3 * i + 1] - y) * scale + height / 2,
      0,
    ];
  }
  const viewport = deck?.getViewports()[0];
  if (!viewport) return () => [-1e6, -1e6, 0];
  return (i) => viewport.project([from[3 * i], from[3 * i + 1], from[3 * i + 2]]);
}

// The place of the map under a pixel of the stage.
function placeAt(x, y) {
  const [width, height] = size(),
    { zoom, target } = views.map;
  return [target[0] + (x - width / 2) / 2 ** zoom, target[1] + (y - height / 2) / 2 ** zoom];
}

function pointAt(x, y) {
  const reach = Math.max(9, overlay.pictureSide() / 2);
  const first = state.matched || state.pointedClass >= 0 ? nDimmed : 0;
  if (state.mode === "map") return nearby.at(placeAt(x, y), reach / 2 ** views.map.zoom, first);
  const project = projector();
  let best = -1,
    least = reach * reach;
  for (let k = first; k < shown.length; k++) {
    const [px, py] = project(shown[k]);
    const apart = (px - x) ** 2 + (py - y) ** 2;
    if (apart < least) [best, least] = [shown[k], apart];
  }
  return best;
}

function startDeck() {
  const probe = document.createElement("canvas").getContext("webgl2");
  if (!probe) {
    const problem = document.getElementById("problem");
    const say = () => {
      problem.textContent = t("js_no_webgl");
    };
    onLanguage.push(say);
    say();
    problem.hidden = false;
    return;
  }
  probe.getExtension("WEBGL_lose_context")?.loseContext();
  deck = new charts.Deck({
    parent: stage,
    views: viewOf("map"),
    viewState: views.map,
    controller: true,
    touchAction: "pan-y", // one finger scrolls the page, as it does beside the map
    style: { zIndex: 1 },
    useDevicePixels: Math.min(devicePixelRatio || 1, 2),
    deviceProps: { type: "webgl", webgl: { preserveDrawingBuffer: true } },
    layers: [],
    getCursor: ({ isDragging }) =>
      isDragging ? "grabbing" : state.hover >= 0 ? "pointer" : "grab",
    onViewStateChange: viewChanged,
    onAfterRender: () => {
      if (state.mode === "space") overlay.request();
    },
    onResize: () => overlay.request(),
  });
}

// A notch of a wheel, 100 pixels, makes all a quarter larger.
const WHEEL = { speed: 0.005, smooth: false };

function viewOf(mode) {
  return mode === "map"
    ? new charts.OrthographicView({
        id: "map",
        controller: { keyboard: false, scrollZoom: WHEEL, inertia: stillness.matches ? 0 : 200 },
      })
    : new charts.OrbitView({
        id: "space",
        orbitAxis: "Y",
        fovy: 40,
        controller: { keyboard: false, scrollZoom: WHEEL },
      });
}

function setMode(mode) {
  if (!deck && mode === "space") return;
  goal = null;
  state.mode = mode;
  document.getElementById("view-map").setAttribute("aria-pressed", mode === "map");
  document.getElementById("view-3d").setAttribute("aria-pressed", mode === "space");
  if (deck) deck.setProps({ views: viewOf(mode), viewState: { ...views[mode] } });
  setHover(-1);
  fit();
  redraw();
}
