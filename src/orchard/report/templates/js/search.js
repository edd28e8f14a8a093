// Search by class or path; and the image that was chosen, with those nearest to it.
const search = (() => {
  const field = document.getElementById("search"),
    status = document.getElementById("status");
  const results = document.getElementById("results"),
    picked = document.getElementById("picked");
  const SHOWN = 48;
  let timer = 0,
    folded = null;

  function fold(text) {
    return text
      .normalize("NFKD")
      .replace(/[\u0300-\u036f]/g, "")
      .toLowerCase();
  }

  // All at once, since a million calls take seconds; a line each.
  function foldedPaths() {
    const lines = shortPaths().map((path) => path.replaceAll("\n", " "));
    return fold(lines.join("\n")).split("\n");
  }

  function run() {
    const query = fold(field.value.trim());
    results.replaceChildren();
    results.hidden = !query;
    if (!query) {
      state.matched = null;
      status.textContent = "";
      redraw();
      return;
    }
    folded ??= foldedPaths();
    const classes = data.labels
      .map((_, code) => code)
      .filter((code) => countOf[code] && fold(labelName(code)).includes(query));
    const chosen = new Set(classes),
      images = [];
    state.matched = new Uint8Array(points.n);
    for (let i = 0; i < points.n; i++) {
      if (chosen.has(points.label[i]) || folded[i].includes(query)) {
        state.matched[i] = 1;
        images.push(i);
      }
    }
    status.textContent = images.length
      ? t("js_found", { classes: classes.length, images: images.length })
      : t("js_found_none");
    for (const code of classes.slice(0, 12)) {
      const button = make(
        "button",
        { type: "button", className: "class" },
        swatch(code),
        labelName(code),
      );
      button.onclick = () => {
        legend.show(code);
        frame(images.filter((i) => points.label[i] === code));
      };
      results.append(button);
    }
    const pictured = images.filter((i) => points.place[i] >= 0),
      offered = pictured.length ? pictured : images;
    const step = Math.max(1, offered.length / SHOWN);
    for (let k = 0; k < offered.length; k += step)
      results.append(imageButton(offered[Math.floor(k)]));
    state.pointedClass = -1;
    redraw();
  }

  function imageButton(point) {
    const button = images.button(point, () => pick(point, true));
    button.onfocus = button.onpointerenter = () => setHover(point);
    return button;
  }

  function pick(point, follow = false) {
    state.picked = point;
    picked.hidden = point < 0;
    overlay.request();
    if (point < 0) return;
    const code = points.label[point];
    const close = make("button", { type: "button", className: "close", textContent: "×" });
    close.setAttribute("aria-label", t("js_close"));
    close.onclick = () => {
      pick(-1);
      stage.focus();
    };
    picked.replaceChildren(
      make(
        "div",
        { className: "head" },
        images.added(point, 88), // opens its card
        make(
          "div",
          {},
          make("b", {}, swatch(code), labelName(code)),
          make("code", { className: "path", textContent: pathOf(point) }),
        ),
        close,
      ),
      make("h4", { textContent: t("js_nearest") }),
      make("div", { className: "neighbours" }, ...images.nearest(point).map(imageButton)),
    );
    if (follow) {
      if (state.hidden.has(code)) legend.show(code);
      approach(point);
      setHover(point);
    }
  }

  function step(by) {
    // to the next or the previous image shown, by path
    const order = shown.slice(state.matched ? nDimmed : 0).sort();
    if (!order.length) return;
    const at = order.indexOf(state.picked);
    pick(order[(at + by + order.length + (at < 0 && by < 0 ? 1 : 0)) % order.length], true);
  }

  field.oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(run, 120);
  };
  field.onkeydown = (event) => {
    if (event.key === "Escape") {
      field.value = "";
      run();
    }
  };
  onLanguage.push(() => {
    if (field.value) run();
    if (state.picked >= 0) pick(state.picked);
  });
  function find(query) {
    field.value = query;
    run();
  }

  return { pick, step, find };
})();
