// Which images are shown, besides their class: what was found about them, and values in a range.
const filters = (() => {
  const UNKNOWN = 255,
    STEPS = 254;
  const ranges = bench.filters.map((one) => ({
    ...one,
    levels: followed(new Uint8Array(bytesOf(one.levels)), rest?.[`filter_${one.name}`]),
    from: 0,
    to: STEPS,
  }));
  const kinds = new Set();
  const list = document.getElementById("filters"),
    status = document.getElementById("status");

  const isWhole = (range) => range.from === 0 && range.to === STEPS;
  const isOn = () => kinds.size > 0 || !ranges.every(isWhole);

  function apply() {
    state.kept = isOn() ? new Uint8Array(points.n).fill(1) : null;
    if (kinds.size) {
      const any = new Uint8Array(points.n);
      for (const one of reasons.found)
        if (kinds.has(one.kind)) for (const point of one.at) any[point] = 1;
      state.kept.set(any);
    }
    for (const range of ranges)
      if (!isWhole(range))
        for (let i = 0; i < points.n; i++) {
          const level = range.levels[i];
          if (level === UNKNOWN || level < range.from || level > range.to) state.kept[i] = 0;
        }
    setHover(-1);
    redraw();
    status.textContent = t("js_visible", { n: shown.length });
  }

  function valueAt(range, step) {
    const value = range.low + (step / STEPS) * (range.high - range.low);
    if (range.name === "size") return bytes(2 ** value - 1);
    if (range.name === "modified")
      return new Date(value * 1000).toLocaleString(language, {
        dateStyle: "medium",
        ...(range.high - range.low < 172_800 && { timeStyle: "short" }),
      });
    return value.toLocaleString(language, { style: "percent", maximumFractionDigits: 0 });
  }

  function bytes(n) {
    const [unit, by] = n < 1e6 ? ["kilobyte", 1e3] : ["megabyte", 1e6];
    const shape = { style: "unit", unit, maximumSignificantDigits: 3 };
    return (n / by).toLocaleString(language, shape);
  }

  function build() {
    const open = list.querySelector("details")?.open ?? false;
    const found = make("fieldset", {}, make("legend", { textContent: t("js_findings") }));
    for (const { kind, n } of reasons.found) if (n) found.append(kindBox(kind, n));
    const clear = saving.button(t("js_clear_filters"), reset);
    const parts = [...(found.children.length > 1 ? [found] : []), ...ranges.map(rangeBox), clear];
    const summary = make("summary", { textContent: t("js_filters") });
    list.replaceChildren(make("details", { open }, summary, ...parts));
  }

  function kindBox(kind, n) {
    const box = make("input", { type: "checkbox", checked: kinds.has(kind) });
    box.dataset.kind = kind;
    box.onchange = () => {
      box.checked ? kinds.add(kind) : kinds.delete(kind);
      apply();
    };
    const count = make("span", { className: "n", textContent: n.toLocaleString(language) });
    return make("label", {}, box, make("span", { textContent: reasons.nameOf(kind) }), count);
  }

  function rangeBox(range) {
    const told = make("output", {});
    const tell = () => {
      told.textContent = `${valueAt(range, range.from)} – ${valueAt(range, range.to)}`;
    };
    const name = t(`js_filter_${range.name}`);
    const ends = ["from", "to"].map((end) => {
      const slider = make("input", { type: "range", min: 0, max: STEPS, value: range[end] });
      slider.dataset.filter = `${range.name}-${end}`;
      slider.setAttribute("aria-label", t(`js_filter_${end}`, { name }));
      slider.oninput = () => {
        const value = Number(slider.value);
        range[end] = end === "from" ? Math.min(value, range.to) : Math.max(value, range.from);
        slider.value = range[end];
        slider.setAttribute("aria-valuetext", valueAt(range, range[end]));
        tell();
        apply();
      };
      return slider;
    });
    tell();
    return make("fieldset", {}, make("legend", {}, `${name} `, told), ...ends);
  }

  function reset() {
    restore({});
    list.querySelector("summary").focus();
  }

  // As `present` gives them.
  function restore({ found = [], between = {} }) {
    kinds.clear();
    for (const { kind } of reasons.found) if (found.includes(kind)) kinds.add(kind);
    for (const range of ranges) [range.from, range.to] = between[range.name] ?? [0, STEPS];
    build();
    apply();
  }

  function present() {
    const cut = ranges.filter((range) => !isWhole(range));
    const between = Object.fromEntries(cut.map((range) => [range.name, [range.from, range.to]]));
    return { found: [...kinds], between };
  }

  function valuesOf(point) {
    return ranges
      .filter((range) => range.levels[point] !== UNKNOWN)
      .map((range) => [t(`js_filter_${range.name}`), valueAt(range, range.levels[point])]);
  }

  return { start: () => onLanguage.push(build), restore, present, valuesOf, isOn };
})();
