// The card of an image, wherever on the page it was chosen: larger, and those nearest to it.
const images = (() => {
  const dialog = document.getElementById("image");
  const NEAR = 104; // pixels a side, of the nearest in a card
  let shownNow = null;

  function button(point, choose, side = 60) {
    const picture = sprites.canvas(point, side);
    const made = make("button", { type: "button", title: pathOf(point) }, picture);
    made.setAttribute("aria-label", `${labelName(points.label[point])}, ${shortPath(point)}`);
    made.onclick = () => choose(point);
    return made;
  }

  // Of an image that t-SNE did not place: those that it did, nearest on the map.
  function nearest(point) {
    if (point >= points.nPlaced) return nearestOnMap(point);
    return [...points.near.subarray(point * data.nearCount, (point + 1) * data.nearCount)];
  }

  function nearestOnMap(point) {
    const [x, y] = [points.map[3 * point], points.map[3 * point + 1]];
    const apart = (i) => (points.map[3 * i] - x) ** 2 + (points.map[3 * i + 1] - y) ** 2;
    let found = [];
    for (let reach = WORLD / 512; found.length < data.nearCount && reach < 2 * WORLD; reach *= 2) {
      found = [];
      for (let i = 0; i < points.nPlaced; i++) if (apart(i) <= reach * reach) found.push(i);
    }
    return found.sort((a, b) => apart(a) - apart(b)).slice(0, data.nearCount);
  }

  // point: on the map, or -1. source: of a larger picture, where the page has one.
  function open(point, path, code, source) {
    shownNow = [point, path, code, source];
    const name = make("h2", { id: "image-name", tabIndex: -1 });
    if (code >= 0) name.append(swatch(code), labelName(code));
    else name.textContent = t("js_image");
    const close = make("button", { type: "button", className: "close", textContent: "×" });
    close.setAttribute("aria-label", t("js_close"));
    close.onclick = () => dialog.close();
    const full = members.fullSource(path);
    const picture =
      full || source
        ? make("img", { src: full ?? source, alt: "" })
        : point >= 0
          ? sprites.canvas(point, 224)
          : make("span", { className: "none" });
    dialog.classList.toggle("full", Boolean(full));
    const acts = make("p", { className: "acts" });
    const opener = reasons.opener(path, full);
    if (opener) acts.append(opener);
    if (navigator.clipboard) acts.append(copier(() => path, t("js_copy_path")));
    if (point >= 0) {
      const onMap = make("button", { type: "button", textContent: t("js_on_map") });
      onMap.onclick = () => {
        dialog.close();
        showOnMap(point);
      };
      acts.append(onMap);
    }
    dialog.replaceChildren(
      make("div", { className: "head" }, name, close),
      make(
        "div",
        { className: "chosen" },
        picture,
        make("div", {}, make("code", { className: "path", textContent: path }), acts),
      ),
      ...reasons.card(point, path),
      ...near(point),
    );
    if (!dialog.open) dialog.showModal();
    name.focus();
  }

  function near(point) {
    if (point < 0) return [make("p", { className: "hint", textContent: t("js_not_on_map") })];
    return [
      make("h3", { textContent: t("js_nearest") }),
      make(
        "div",
        { className: "neighbours" },
        ...nearest(point).map((i) => button(i, openPoint, NEAR)),
      ),
    ];
  }

  function openPoint(point) {
    const large = document.querySelector(`.open[data-point="${point}"] img`);
    open(point, pathOf(point), points.label[point], bench.large[point] ?? large?.src);
  }

  // member: as `members` has them.
  function show(member) {
    if (members.isOnMap(member)) openPoint(member);
    else open(-1, members.path(member), -1, null);
  }

  function showOnMap(point) {
    if (state.mode !== "map") setMode("map");
    document.getElementById("map-section").scrollIntoView();
    search.pick(point, true);
    stage.focus({ preventScroll: true });
  }

  // Pictures of the page are buttons already; those of groups that are added come by `added`.
  function start() {
    document.addEventListener("click", (event) => {
      const chosen = event.target.closest("button.open");
      if (!chosen) return;
      const { point, code } = chosen.dataset;
      const found = chosen.querySelector("img");
      open(point ? Number(point) : -1, chosen.title, Number(code), found?.src);
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close(); // beside it
    });
    onLanguage.push(() => dialog.open && open(...shownNow));
    decisions.onChange.push(() => {
      if (!dialog.open) return;
      const line = dialog.querySelector(".decide"),
        at = [...line.children].indexOf(document.activeElement);
      line.replaceWith(reasons.toDecide(shownNow[0], shownNow[1]));
      dialog.querySelector(".decide").children[at]?.focus();
    });
  }

  // A picture of the page that opens its card, `side` pixels high.
  function added(point, side) {
    const picture = sprites.canvas(point, side);
    picture.removeAttribute("role");
    const made = make("button", { type: "button", className: "open", title: pathOf(point) });
    made.setAttribute("aria-label", pathOf(point));
    made.dataset.point = point;
    made.dataset.code = points.label[point];
    made.append(picture);
    return make("figure", { className: "shot" }, made);
  }

  return { button, nearest, start, added, show };
})();

function copier(text, name) {
  const button = make("button", { type: "button", textContent: name });
  copies(button, text);
  return button;
}

// The button copies the text, and says so for a moment.
function copies(button, text) {
  button.onclick = async () => {
    const before = [...button.childNodes];
    await navigator.clipboard.writeText(text());
    button.textContent = t("js_copied");
    setTimeout(() => button.replaceChildren(...before), 1500);
  };
}
