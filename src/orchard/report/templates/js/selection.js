// Images that people choose: as pictures with their classes, to be copied, saved or decided on.
const selection = (() => {
  const tray = document.getElementById("selection"),
    all = document.getElementById("select-shown");
  const STEP = 60,
    SIDE = 72;
  let chosen = new Uint32Array(0), // in the order of their paths
    nShown = STEP;

  // how: "replace", "add" or "remove".
  function select(given, how = "replace") {
    const kept = new Set(how === "replace" ? [] : chosen);
    for (const point of given) how === "remove" ? kept.delete(point) : kept.add(point);
    chosen = Uint32Array.from(kept).sort();
    nShown = STEP;
    state.selected = chosen.length ? new Uint8Array(points.n) : null;
    for (const point of chosen) state.selected[point] = 1;
    redraw();
    show();
  }

  function show() {
    tray.hidden = !chosen.length;
    if (!chosen.length) return tray.replaceChildren();
    const title = make("h3", { tabIndex: -1, textContent: t("js_selected", { n: chosen.length }) });
    const nameless = chosen.length - named().length;
    const note = make("p", { hidden: !nameless });
    note.textContent = t("js_without_path", { n: nameless });
    tray.replaceChildren(title, note, classes(), acts(), pictures());
    tray.dispatchEvent(new CustomEvent("grown"));
  }

  function classes() {
    const counts = new Map();
    for (const point of chosen)
      counts.set(points.label[point], (counts.get(points.label[point]) ?? 0) + 1);
    const chips = [...counts]
      .sort((a, b) => b[1] - a[1])
      .map(([code, n]) => {
        const name = labelName(code);
        const only = () => select(chosen.filter((point) => points.label[point] === code));
        const chip = saving.button("", only, { title: t("js_only_class", { name }) });
        chip.append(
          swatch(code),
          ` ${name} `,
          make("b", { textContent: n.toLocaleString(language) }),
        );
        return make("li", {}, chip);
      });
    return make("ul", { className: "chips" }, ...chips);
  }

  const named = () => [...chosen].filter(hasPath);
  const paths = () => named().map(pathOf);
  const rows = () =>
    named().map((point) => {
      const name = data.labels[points.label[point]];
      return [pathOf(point), name === data.other ? "" : name];
    });

  function acts() {
    const line = make("div", { className: "acts" });
    const button = (key, act) => line.append(saving.button(t(key), act));
    if (navigator.clipboard) line.append(copier(() => paths().join("\n"), t("js_copy_paths")));
    button("js_save_csv", () =>
      saving.save("selection.csv", "text/csv", saving.csv(["path", "label"], rows())),
    );
    button("js_save_json", () => {
      const made = rows().map(([path, label]) => ({ path, label }));
      saving.save("selection.json", "application/json", `${JSON.stringify(made, null, 1)}\n`);
    });
    line.append(linker());
    button("js_keep", () => decisions.decide(paths().map((path) => [path, ["keep"]])));
    button("js_drop", () => decisions.decide(paths().map((path) => [path, ["drop"]])));
    button("js_relabel_as", () =>
      decisions.askLabel(chosen.length, "", (label) =>
        decisions.decide(paths().map((path) => [path, ["relabel", label]])),
      ),
    );
    button("js_frame", () => {
      stage.scrollIntoView({ block: "nearest" });
      frame([...chosen]);
    });
    button("js_clear_selection", () => {
      select([]);
      stage.focus();
    });
    return line;
  }

  function linker() {
    const made = saving.button(t("js_copy_link"));
    if (navigator.clipboard) copies(made, link.address);
    else
      made.onclick = () => {
        link.address(); // it stands in the browser's line of addresses
      };
    return made;
  }

  function pictures() {
    const grid = make("div", { className: "tiles" });
    const more = saving.button("", () => {
      const from = nShown;
      nShown += STEP;
      fill(from);
      grid.querySelectorAll("button")[from]?.focus();
    });
    const fill = (from) => {
      for (const point of chosen.subarray(from, nShown)) grid.append(images.added(point, SIDE));
      const left = Math.max(0, chosen.length - nShown);
      more.hidden = !left;
      more.textContent = t("js_more_images", { n: Math.min(STEP, left), left });
      grid.dispatchEvent(new CustomEvent("grown"));
    };
    fill(0);
    roving(grid, "button.open");
    return make("div", {}, grid, more);
  }

  // What the map shows: of a search, what was found.
  function shownNow() {
    return [...shown].filter((point) => !state.matched || state.matched[point]);
  }

  function start() {
    all.onclick = () => {
      select(shownNow());
      tray.querySelector("h3")?.focus();
    };
    onLanguage.push(() => {
      all.textContent = t("js_select_shown");
      show();
    });
  }

  return { select, start, chosen: () => chosen };
})();
