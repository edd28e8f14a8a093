// Above the dots: names of classes, pictures once there is room for them, the chosen point, and the
// card of the point under the pointer.
const overlay = (() => {
  const canvas = document.getElementById("overlay"),
    context = canvas.getContext("2d");
  const card = document.getElementById("card");
  const nowhere = document.getElementById("nowhere");
  const PICTURES = 600; // at most, in view at once
  let wanted = false,
    side = 0;

  function request() {
    if (wanted) return;
    wanted = true;
    requestAnimationFrame(() => {
      wanted = false;
      draw();
    });
  }

  function draw() {
    const [width, height] = size(),
      scale = Math.min(devicePixelRatio || 1, 2);
    if (
      canvas.width !== Math.round(width * scale) ||
      canvas.height !== Math.round(height * scale)
    ) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const project = projector();
    if (!deck || dots.areMany()) dots.draw(context, project, [width, height]);
    side = 0;
    sprites.begin();
    if (state.photos && state.mode === "map" && data.tile) pictures(project, width, height);
    if (state.mode === "space") axisNames();
    if (state.names && !state.matched) names(project, width, height);
    for (const point of new Set([state.picked, state.hover])) if (point >= 0) ring(project(point));
    placeCard(project, width, height);
    nowhere.hidden = state.mode !== "map" || isAnyIn(project, width, height);
  }

  function isAnyIn(project, width, height) {
    if (state.mode === "map") {
      let isThere = !shown.length;
      nearby.inBox(placeAt(0, 0), placeAt(width, height), () => {
        isThere = true;
        return false;
      });
      return isThere;
    }
    return (
      !shown.length ||
      shown.some((point) => {
        const [x, y] = project(point);
        return x >= 0 && y >= 0 && x <= width && y <= height;
      })
    );
  }

  function pictures(project, width, height) {
    const inView = [];
    const take = (point) => {
      inView.push([point, ...project(point)]);
      return inView.length <= PICTURES;
    };
    nearby.inBox(placeAt(-40, -40), placeAt(width + 40, height + 40), take, nDimmed);
    if (!inView.length || inView.length > PICTURES) return;
    side = Math.max(
      18,
      Math.min(data.tile * 1.25, 72, Math.sqrt((width * height) / inView.length) * 0.8),
    );
    context.imageSmoothingQuality = "high";
    for (const [point, x, y] of inView) {
      const ratio = points.ratio[point],
        w = ratio >= 1 ? side : side * ratio,
        h = ratio >= 1 ? side / ratio : side;
      context.save();
      context.beginPath();
      context.roundRect(x - w / 2, y - h / 2, w, h, Math.min(6, side / 6));
      context.strokeStyle = colourOf(points.label[point]);
      context.lineWidth = 3;
      context.clip();
      if (sprites.draw(context, point, x - w / 2, y - h / 2, w, h, request)) context.stroke();
      context.restore();
    }
  }

  function names(project, width, height) {
    context.font = "600 12.5px ui-sans-serif, system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    const taken = [[0, 0, Math.min(330, width), 48]];
    const style = getComputedStyle(document.documentElement);
    const ground = style.getPropertyValue("--stage"),
      ink = style.getPropertyValue("--ink");
    const order = data.labels
      .map((_, code) => code)
      .filter((code) => anchors[code] >= 0 && !state.hidden.has(code))
      .filter((code) => data.labels[code] || !data.areClusters); // those of no cluster are all over
    order.sort(
      (a, b) => (b === state.pointedClass) - (a === state.pointedClass) || countOf[b] - countOf[a],
    );
    const isOut = ([x, y]) => x < 0 || y < 0 || x > width || y > height;
    const close = state.mode === "map" ? places.inView(width, height) : new Map();
    for (const code of order) {
      if (state.pointedClass >= 0 && code !== state.pointedClass) continue;
      let spot = project(anchors[code]);
      if (isOut(spot) && close.has(code)) spot = project(close.get(code));
      if (isOut(spot)) continue;
      const [at, above] = spot;
      const text = shortened(labelName(code)),
        half = context.measureText(text).width / 2 + 5;
      const x = Math.max(half, Math.min(at, width - half)),
        y = Math.min(above + (side ? side / 2 + 9 : 0), height - 10);
      const box = [x - half, y - 10, x + half, y + 10];
      if (
        taken.some(
          (other) =>
            box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1],
        )
      )
        continue;
      taken.push(box);
      context.globalAlpha = 0.86;
      context.strokeStyle = ground;
      context.lineWidth = 4;
      context.strokeText(text, x, y);
      context.globalAlpha = 1;
      context.fillStyle = ink;
      context.fillText(text, x, y);
    }
  }

  function shortened(text) {
    return text.length > 28 ? `${text.slice(0, 27)}…` : text;
  }

  function axisNames() {
    const viewport = deck?.getViewports()[0];
    if (!viewport) return;
    context.font = "600 12px ui-sans-serif, system-ui, sans-serif";
    context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--soft");
    context.textAlign = "center";
    [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ].forEach((axis, k) => {
      const [x, y] = viewport.project(axis.map((v) => v * WORLD * 0.53));
      context.fillText(t("js_component_short", { n: k + 1 }), x, y);
    });
  }

  function ring([x, y]) {
    context.beginPath();
    context.arc(x, y, Math.max(9, side / 2 + 4), 0, 2 * Math.PI);
    context.lineWidth = 2.5;
    context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--ink");
    context.stroke();
  }

  function fillCard(point) {
    const code = points.label[point];
    card.replaceChildren(
      sprites.canvas(point, card.clientWidth > 170 ? 160 : 128),
      make("b", {}, swatch(code), labelName(code)),
      make("code", { className: "path", textContent: shortPath(point) }),
    );
  }

  function placeCard(project, width, height) {
    if (state.hover < 0) {
      card.hidden = true;
      return;
    }
    if (card.hidden || Number(card.dataset.point) !== state.hover) {
      card.hidden = false;
      card.dataset.point = state.hover;
      fillCard(state.hover);
    }
    const [x, y] = project(state.hover),
      w = card.offsetWidth,
      h = card.offsetHeight;
    const left = x + 18 + w < width ? x + 18 : x - 18 - w;
    card.style.left = `${Math.max(6, Math.min(left, width - w - 6))}px`;
    card.style.top = `${Math.max(6, Math.min(y - h / 2, height - h - 6))}px`;
  }

  return { request, pictureSide: () => side };
})();

function setHover(point) {
  if (point === state.hover) return;
  state.hover = point;
  overlay.request();
}
