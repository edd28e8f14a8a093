// Sets of duplicates beyond the first, which stand in the page: as many more at each press.
const groups = (() => {
  const STEP = 24,
    SIDE = 68;

  const pairs = new Uint16Array(bytesOf(data.nearPairs)),
    cosines = new Uint16Array(bytesOf(data.nearCosines));
  const made = {
    near: [cosines.length, nearGroup],
    exact: [data.exact.length, exactGroup],
  };

  function line(path) {
    return make("li", {}, make("code", { className: "path", textContent: path }));
  }

  function nearGroup(k) {
    const both = [pairs[2 * k], pairs[2 * k + 1]];
    const cosine = (cosines[k] / 10_000).toLocaleString(language, { minimumFractionDigits: 4 });
    return make(
      "div",
      { className: "pair" },
      make("div", { className: "twins" }, ...both.map((point) => images.added(point, SIDE))),
      make(
        "ul",
        {},
        make("li", {}, make("strong", { textContent: cosine })),
        ...both.map((point) => line(shortPath(point))),
      ),
    );
  }

  function exactGroup(k) {
    const [n, ...members] = data.exact[k];
    const onMap = members.find((member) => typeof member === "number");
    const paths = members.map((one) => (typeof one === "number" ? shortPath(one) : one));
    const list = make("ul", {}, ...paths.map(line));
    if (n > paths.length)
      list.append(make("li", { textContent: t("js_and_more", { n: n - paths.length }) }));
    const picture =
      onMap === undefined
        ? make("figure", { className: "shot" }, make("span", { className: "none" }))
        : images.added(onMap, SIDE);
    return make("div", { className: "pair" }, picture, list);
  }

  function start() {
    for (const button of document.querySelectorAll("button.more-groups")) {
      const list = document.getElementById(button.dataset.list);
      const [n, group] = made[button.dataset.kind];
      let next = 0; // of those that do not stand in the page
      const name = () => {
        button.hidden = next >= n;
        button.textContent = t("js_more_groups", { n: Math.min(STEP, n - next), left: n - next });
      };
      button.onclick = () => {
        const fresh = Array.from({ length: Math.min(STEP, n - next) }, (_, k) => group(next + k));
        next += fresh.length;
        list.append(...fresh);
        list.dispatchEvent(new CustomEvent("grown"));
        name();
        fresh[0].querySelector("button")?.focus();
      };
      onLanguage.push(name);
    }
  }

  return { start };
})();
