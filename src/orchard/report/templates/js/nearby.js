// Which of the images shown are in a part of the map, without a look at all of them: they are sorted
// into the squares of a grid, when first asked for after they have changed.
const nearby = (() => {
  let side = 1, // squares along an axis
    sortedFor = null, // the `shown` that the grid holds
    starts = null, // of each square's images in `members`, and the end
    members = null; // places in `shown`

  function squareOf(position) {
    return Math.max(0, Math.min(side - 1, Math.floor((position / WORLD + 0.5) * side)));
  }

  function cellOf(point) {
    return squareOf(points.map[3 * point + 1]) * side + squareOf(points.map[3 * point]);
  }

  function sort() {
    if (sortedFor === shown) return;
    sortedFor = shown;
    side = Math.max(1, Math.min(512, Math.ceil(Math.sqrt(shown.length / 4))));
    starts = new Uint32Array(side * side + 1);
    for (let k = 0; k < shown.length; k++) starts[cellOf(shown[k]) + 1]++;
    for (let cell = 0; cell < side * side; cell++) starts[cell + 1] += starts[cell];
    members = new Uint32Array(shown.length);
    const next = starts.slice();
    for (let k = 0; k < shown.length; k++) members[next[cellOf(shown[k])]++] = k;
  }

  // Call `take` with each image between two corners, and its place in `shown`, until it returns
  // false. from: of `shown`, to leave out those before it.
  function inBox([left, top], [right, bottom], take, from = 0) {
    sort();
    const [one, last] = [squareOf(left), squareOf(right)];
    for (let row = squareOf(top); row <= squareOf(bottom); row++) {
      const end = starts[row * side + last + 1];
      for (let at = starts[row * side + one]; at < end; at++) {
        const k = members[at],
          point = shown[k],
          x = points.map[3 * point],
          y = points.map[3 * point + 1];
        if (k < from || x < left || x > right || y < top || y > bottom) continue;
        if (take(point, k) === false) return;
      }
    }
  }

  // The nearest to a place within `reach`, or -1.
  function at([x, y], reach, from = 0) {
    let best = -1,
      least = reach * reach;
    inBox(
      [x - reach, y - reach],
      [x + reach, y + reach],
      (point) => {
        const apart = (points.map[3 * point] - x) ** 2 + (points.map[3 * point + 1] - y) ** 2;
        if (apart < least) [best, least] = [point, apart];
      },
      from,
    );
    return best;
  }

  return { inBox, at };
})();
