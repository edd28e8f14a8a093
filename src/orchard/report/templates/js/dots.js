// Dots drawn on the overlay, by the processor: all of them where there is no WebGL, and those of a
// map of more than MANY, which takes some 30 ms for a million; software WebGL took seconds.
const dots = (() => {
  const MANY = 30_000;
  const FEW = 6_000; // in view: drawn as discs; more are pixels

  function areMany() {
    return state.mode === "map" && shown.length > MANY;
  }

  function draw(context, project, [width, height]) {
    if (!discs(context, project, width, height)) pixels(context, width);
  }

  // As large as WebGL draws them; false where there are too many of them in view.
  function discs(context, project, width, height) {
    const inView = [],
      most = shown.length > MANY ? FEW : MANY;
    const take = (_, k) => {
      inView.push(k);
      return inView.length <= most;
    };
    nearby.inBox(placeAt(-9, -9), placeAt(width + 9, height + 9), take);
    if (inView.length > most) return false;
    const radius = Math.min(9, Math.max(1.5, dotRadius() * 2 ** (views.map.zoom - fitZoom)));
    for (const k of inView.sort((a, b) => a - b)) {
      const [x, y] = project(shown[k]);
      context.globalAlpha = k < nDimmed ? 0.12 : 0.85;
      context.fillStyle = colourOf(points.label[shown[k]]);
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
    return true;
  }

  // Two by two pixels each, written as they are.
  function pixels(context, cssWidth) {
    const { width, height } = context.canvas,
      scale = (2 ** views.map.zoom * width) / cssWidth;
    const [left, top] = placeAt(0, 0);
    const picture = context.createImageData(width, height),
      all = new Uint32Array(picture.data.buffer);
    const inks = Uint32Array.from(data.labels, (_, code) => {
      const [red, green, blue] = rgbOf(colourOf(code));
      return (blue << 16) | (green << 8) | red;
    });
    const alphas = [30 << 24, 217 << 24];
    for (let k = 0; k < shown.length; k++) {
      const point = shown[k],
        x = Math.round((points.map[3 * point] - left) * scale),
        y = Math.round((points.map[3 * point + 1] - top) * scale);
      if (x < 1 || y < 1 || x >= width || y >= height) continue;
      const ink = inks[points.label[point]] | alphas[k < nDimmed ? 0 : 1],
        at = y * width + x;
      all[at] = all[at - 1] = all[at - width] = all[at - width - 1] = ink;
    }
    context.putImageData(picture, 0, 0);
  }

  return { MANY, areMany, draw };
})();
