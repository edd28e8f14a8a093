// Many buttons, one stop of the Tab key: the arrows lead from one to the next, as they lie on the
// page. The first is the stop until another has been reached.
function roving(container, selector) {
  const all = () => [...container.querySelectorAll(selector)].filter((one) => one.offsetParent);

  function stopAt(chosen) {
    for (const one of container.querySelectorAll(selector)) one.tabIndex = one === chosen ? 0 : -1;
  }

  function refresh() {
    const known = all();
    stopAt(known.find((one) => one.tabIndex === 0 && one.dataset.stop) ?? known[0]);
  }

  // The nearest in a direction; from the end of a row, the next in the order of the page.
  function next(from, [right, down]) {
    const known = all();
    if (right) return known[known.indexOf(from) + right];
    const middle = (one) => {
      const box = one.getBoundingClientRect();
      return [box.left + box.width / 2, box.top + box.height / 2, box.height];
    };
    const [x, y, height] = middle(from);
    const ahead = known
      .map((one) => [one, ...middle(one)])
      .filter(([, , oneY]) => (oneY - y) * down > height / 2);
    ahead.sort(
      (a, b) => Math.abs(a[2] - y) - Math.abs(b[2] - y) || Math.abs(a[1] - x) - Math.abs(b[1] - x),
    );
    const row = ahead.filter((one) => Math.abs(one[2] - ahead[0][2]) < height / 2);
    row.sort((a, b) => Math.abs(a[1] - x) - Math.abs(b[1] - x));
    return row[0]?.[0];
  }

  container.addEventListener("focusin", (event) => {
    const reached = event.target.closest(selector);
    if (!reached) return;
    for (const one of container.querySelectorAll("[data-stop]")) delete one.dataset.stop;
    reached.dataset.stop = "true";
    stopAt(reached);
  });
  container.addEventListener("keydown", (event) => {
    const from = event.target.closest(selector);
    if (!from || event.ctrlKey || event.metaKey || event.altKey) return;
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const ends = { Home: 0, End: -1 };
    const to = ways[event.key] ? next(from, ways[event.key]) : all().at(ends[event.key] ?? NaN);
    if (!ways[event.key] && !(event.key in ends)) return;
    event.preventDefault();
    to?.focus();
  });
  refresh();
  return refresh;
}
