// Where the names of classes stand. From afar, at their anchors; close by, a class whose anchor is
// out of view has its name at its image that is nearest to the middle of those in view.
const places = (() => {
  const FEW = 4_000; // images in view

  // By code, points: of those classes alone that the view holds a part of.
  function inView(width, height) {
    const members = new Map();
    let n = 0;
    const take = (point) => {
      const code = points.label[point];
      if (!members.has(code)) members.set(code, []);
      members.get(code).push(point);
      return ++n <= FEW;
    };
    nearby.inBox(placeAt(0, 0), placeAt(width, height), take, nDimmed);
    return n > FEW ? new Map() : new Map([...members].map(([code, own]) => [code, middle(own)]));
  }

  function middle(own) {
    const mean = [0, 1].map((axis) => own.reduce((sum, i) => sum + points.map[3 * i + axis], 0));
    const apart = (i) =>
      (points.map[3 * i] - mean[0] / own.length) ** 2 +
      (points.map[3 * i + 1] - mean[1] / own.length) ** 2;
    return own.reduce((best, i) => (apart(i) < apart(best) ? i : best));
  }

  return { inView };
})();
