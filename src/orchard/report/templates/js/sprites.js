// Tiles of the sheets. A sheet is decoded when one of its tiles is first wanted; a few stay decoded.
// They are the last of the page, so that the map is drawn before they are read.
const sprites = (() => {
  const elements = document.getElementsByClassName("sheet"); // as many as are read by now
  const whole = new Promise((done) => addEventListener("DOMContentLoaded", done, { once: true }));
  const perSheet = data.perSide ** 2;
  const decoded = new Map(); // number → ImageBitmap, the latest used last
  const loading = new Set();
  const KEPT = 24;
  const waiting = [];
  let inView = new Set(); // numbers of the sheets that the pictures on the map are on

  function begin() {
    inView = new Set();
  }

  async function load(number) {
    loading.add(number);
    if (document.readyState === "loading") await whole;
    const blob = new Blob([bytesOf(elements[number].textContent.trim())], { type: "image/webp" });
    decoded.set(number, await createImageBitmap(blob));
    loading.delete(number);
    for (const [oldest, bitmap] of decoded) {
      if (decoded.size <= KEPT) break;
      if (inView.has(oldest)) continue; // or it would be decoded for ever, where a view needs more
      decoded.delete(oldest);
      bitmap.close();
    }
    for (const again of waiting.splice(0)) again();
  }

  // Draw a point's picture into a rectangle; false where it has none or not yet: then `again` is
  // called once it may.
  function draw(context, point, x, y, width, height, again) {
    const place = points.place[point];
    if (place < 0) return false;
    const number = Math.floor(place / perSheet),
      at = place % perSheet;
    inView.add(number);
    const bitmap = decoded.get(number);
    if (!bitmap) {
      if (again && !waiting.includes(again)) waiting.push(again);
      if (!loading.has(number)) load(number);
      return false;
    }
    decoded.delete(number);
    decoded.set(number, bitmap);
    const column = at % data.perSide,
      row = Math.floor(at / data.perSide);
    context.drawImage(
      bitmap,
      column * data.tile,
      row * data.tile,
      data.tile,
      data.tile,
      x,
      y,
      width,
      height,
    );
    return true;
  }

  // A canvas with one picture, `side` CSS pixels at its longer side.
  function canvas(point, side) {
    const ratio = points.ratio[point],
      scale = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(ratio >= 1 ? side : side * ratio),
      height = Math.round(ratio >= 1 ? side / ratio : side);
    const element = make("canvas", { width: width * scale, height: height * scale });
    element.style.width = `${width}px`;
    element.style.aspectRatio = `${width} / ${height}`;
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", pathOf(point));
    const context = element.getContext("2d");
    context.imageSmoothingQuality = "high";
    const paint = () => sprites.draw(context, point, 0, 0, element.width, element.height, paint);
    if (points.place[point] < 0) {
      context.font = `${11 * scale}px sans-serif`;
      context.fillStyle = "#888";
      context.textAlign = "center";
      context.fillText(
        t("js_no_picture"),
        element.width / 2,
        element.height / 2,
        element.width * 0.9,
      );
    } else paint();
    return element;
  }

  return { begin, draw, canvas };
})();
