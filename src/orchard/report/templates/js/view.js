// Where the eye is on the map and in 3-D, and how it gets elsewhere: at once, or in a motion.
const views = {
  map: { target: [0, 0, 0], zoom: 0 },
  space: { target: [0, 0, 0], zoom: 0, rotationX: 22, rotationOrbit: 35 },
};
let goal = null; // the view that a motion leads to, while it lasts
let fitZoom = 0; // at which all is in view
// As far in as a typical image and its neighbour fill the stage: beyond, there is nothing to see.
const CLOSEST = Math.max(4, Math.log2(Math.sqrt(points.n)) + 1.5);
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

// deck.gl keeps more in its view than it is given. Of that, zoomX and zoomY would win over the zoom
// that is asked for next, so they are not kept here.
function eyeOf(viewState) {
  return Object.fromEntries(Object.keys(views[state.mode]).map((key) => [key, viewState[key]]));
}

// The view that is there, or that a motion under way leads to.
function aim() {
  return goal ?? views[state.mode];
}

function setView(changes, duration = 0) {
  const aimed = { ...aim(), ...changes };
  aimed.zoom = Math.min(Math.max(aimed.zoom, fitZoom - 2), fitZoom + CLOSEST);
  const moves = duration > 0 && !stillness.matches && deck?.isInitialized;
  goal = moves ? aimed : null;
  if (!moves) views[state.mode] = aimed;
  const over = () => {
    if (goal === aimed) goal = null;
  };
  const motion = moves
    ? {
        transitionDuration: duration,
        transitionInterpolator: new charts.LinearInterpolator(
          state.mode === "map" ? ["target", "zoomX", "zoomY"] : ["target", "zoom"],
        ),
        onTransitionEnd: over,
        onTransitionInterrupt: over,
      }
    : { transitionDuration: 0 };
  deck?.setProps({
    viewState: { ...aimed, minZoom: fitZoom - 2, maxZoom: fitZoom + CLOSEST, ...motion },
  });
  overlay.request();
}

// What people and motions do to the view comes back through here.
function viewChanged({ viewState, interactionState }) {
  if (!interactionState?.inTransition) goal = null;
  // Where a motion only begins, deck.gl tells its end; the frames on the way follow.
  if (!(viewState.transitionDuration > 0)) views[state.mode] = eyeOf(viewState);
  deck.setProps({ viewState });
  overlay.request();
}

// By a button or a key: about the middle, or about the image nearest to it where none would be left.
function zoom(by) {
  const next = { zoom: aim().zoom + by };
  if (by > 0 && state.mode === "map") {
    const nearest = nearestTo(aim().target);
    const apart = [0, 1].map((axis) => Math.abs(positionOf(nearest)[axis] - aim().target[axis]));
    if (size().some((side, axis) => apart[axis] * 2 ** next.zoom > side / 2))
      next.target = [...positionOf(nearest), 0];
  }
  setView(next, 250);
}

function positionOf(point) {
  return [0, 1].map((axis) => points.map[3 * point + axis]);
}

// The image shown that is nearest to a place of the map.
function nearestTo([x, y]) {
  let best = 0,
    least = Infinity;
  for (const point of shown) {
    const [px, py] = positionOf(point);
    const apart = (px - x) ** 2 + (py - y) ** 2;
    if (apart < least) [best, least] = [point, apart];
  }
  return best;
}

function fittingZoom() {
  return Math.log2((Math.min(...size()) * 0.94) / WORLD);
}

function fit(duration = 0) {
  fitZoom = fittingZoom();
  setView({ target: [0, 0, 0], zoom: state.mode === "map" ? fitZoom : fitZoom - 0.25 }, duration);
}

// The stage has another size: what was in view stays in view.
function resized() {
  const by = fittingZoom() - fitZoom;
  fitZoom += by;
  setView({ zoom: aim().zoom + by });
}

function move(right, down) {
  const view = aim();
  if (state.mode === "space")
    return setView({
      rotationOrbit: view.rotationOrbit + 12 * right,
      rotationX: view.rotationX + 8 * down,
    });
  const step = 80 / 2 ** view.zoom;
  return setView({ target: [view.target[0] + step * right, view.target[1] + step * down, 0] }, 120);
}

function frame(chosen, duration = 600) {
  // zoom to a set of points
  if (!chosen.length || state.mode !== "map") return;
  const low = [Infinity, Infinity],
    high = [-Infinity, -Infinity];
  for (const i of chosen)
    for (const axis of [0, 1]) {
      low[axis] = Math.min(low[axis], points.map[3 * i + axis]);
      high[axis] = Math.max(high[axis], points.map[3 * i + axis]);
    }
  const [width, height] = size();
  const spread = Math.max((high[0] - low[0]) / width, (high[1] - low[1]) / height);
  setView(
    {
      target: [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, 0],
      zoom: -Math.log2(spread) - 0.4,
    },
    duration,
  );
}

// Close enough to a point to tell it from the others.
function approach(point, duration = 500) {
  if (state.mode !== "map") return;
  const target = [points.map[3 * point], points.map[3 * point + 1], 0];
  setView({ target, zoom: Math.max(aim().zoom, fitZoom + 3) }, duration);
}
