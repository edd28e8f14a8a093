// Pointer, touch and keys on the map; then everything starts.
function startMap() {
  // Dots of a large map need no WebGL: they are seen before it starts, which takes a while.
  if (points.n > dots.MANY)
    requestAnimationFrame(() =>
      setTimeout(() => {
        startDeck();
        setView({});
      }),
    );
  else startDeck();
  let moved = 0,
    pending = null;
  stage.addEventListener("pointermove", (event) => {
    if (event.buttons) {
      moved++;
      return;
    }
    if (event.pointerType === "touch") return;
    const fresh = pending === null,
      box = stage.getBoundingClientRect();
    pending = [event.clientX - box.left, event.clientY - box.top, event.target];
    if (fresh)
      requestAnimationFrame(() => {
        setHover(pending[2].closest("button") ? -1 : pointAt(pending[0], pending[1]));
        pending = null;
      });
  });
  stage.addEventListener("pointerdown", () => {
    moved = 0;
  });
  stage.addEventListener("pointerleave", () => setHover(-1));
  stage.addEventListener("click", (event) => {
    if (moved > 4 || event.target.closest("button")) return;
    const box = stage.getBoundingClientRect(),
      point = pointAt(event.clientX - box.left, event.clientY - box.top);
    setHover(point);
    search.pick(point);
  });
  stage.addEventListener("keydown", key);
  new ResizeObserver(() => {
    resized();
    redraw();
  }).observe(stage);
  for (const [id, act] of [
    ["zoom-in", () => zoom(1)],
    ["zoom-out", () => zoom(-1)],
    ["zoom-all", () => fit(400)],
    ["view-map", () => setMode("map")],
    ["view-3d", () => setMode("space")],
  ])
    document.getElementById(id).onclick = act;
  for (const name of ["names", "photos"])
    document.getElementById(name).onclick = (event) => {
      state[name] = !state[name];
      event.currentTarget.setAttribute("aria-pressed", state[name]);
      overlay.request();
    };
}

function key(event) {
  if (event.target !== stage || event.ctrlKey || event.metaKey || event.altKey) return;
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const acts = {
    "+": () => zoom(1),
    "=": () => zoom(1),
    "-": () => zoom(-1),
    0: () => fit(300),
    n: () => search.step(1),
    p: () => search.step(-1),
    Escape: () => {
      search.pick(-1);
      setHover(-1);
    },
  };
  if (moves[event.key]) move(...moves[event.key]);
  else if (acts[event.key.toLowerCase()] || acts[event.key])
    (acts[event.key.toLowerCase()] || acts[event.key])();
  else return;
  event.preventDefault();
}

function startCopying() {
  const button = document.getElementById("copy");
  if (!navigator.clipboard) return;
  button.hidden = false;
  copies(button, () => document.getElementById("command").textContent);
}

// Pictures that open cards: each place with many of them is one stop of the Tab key.
function startStops() {
  for (const place of document.querySelectorAll(".pairs, .shots, #classes tbody")) {
    const refresh = roving(place, "button.open");
    place.addEventListener("grown", refresh);
  }
}

onLanguage.push(drawSpectrum, () => overlay.request());
onTheme.push(drawSpectrum, redraw);
startMap();
images.start();
groups.start();
decisions.start();
filters.start();
selection.start();
lasso.start();
gallery.start();
startStops();
startSwitches();
startSorting();
startCopying();
fit();
redraw();
link.start();
document.documentElement.dataset.ready = "true";
