// The classes: shown and hidden, one alone, or pointed at.
const legend = (() => {
  const list = document.getElementById("legend"),
    status = document.getElementById("status");
  const boxes = [];
  const stops = roving(list, "input, button");

  function build() {
    list.replaceChildren();
    data.labels.forEach((_, code) => {
      if (!countOf[code]) return;
      const box = make("input", { type: "checkbox", checked: !state.hidden.has(code) });
      box.onchange = () => {
        box.checked ? state.hidden.delete(code) : state.hidden.add(code);
        changed();
      };
      boxes[code] = box;
      const only = make("button", { type: "button", textContent: t("js_only") });
      only.setAttribute("aria-label", t("js_only_class", { name: labelName(code) }));
      only.onclick = () => {
        setAll(false);
        state.hidden.delete(code);
        box.checked = true;
        changed();
      };
      const label = make(
        "label",
        {},
        box,
        swatch(code),
        make("span", { className: "name", textContent: labelName(code), title: labelName(code) }),
        make("span", { className: "n", textContent: countOf[code].toLocaleString(language) }),
      );
      const row = inRole("row", inRole("gridcell", label), inRole("gridcell", only));
      row.dataset.code = code;
      row.onpointerenter = () => point(code);
      row.onpointerleave = () => point(-1);
      list.append(row);
    });
    stops();
  }

  function inRole(role, ...children) {
    const element = make("div", {}, ...children);
    element.setAttribute("role", role);
    return element;
  }

  function point(code) {
    if (state.matched || (code >= 0 && state.hidden.has(code))) code = -1;
    if (code === state.pointedClass) return;
    state.pointedClass = code;
    redraw();
  }

  function setAll(visible) {
    state.hidden = new Set(visible ? [] : data.labels.keys());
    boxes.forEach((box) => {
      box.checked = visible;
    });
  }

  function changed() {
    state.pointedClass = -1;
    if (state.hover >= 0 && state.hidden.has(points.label[state.hover])) setHover(-1);
    redraw();
    if (!state.matched) status.textContent = t("js_visible", { n: shown.length });
  }

  document.getElementById("all").onclick = () => {
    setAll(true);
    changed();
  };
  document.getElementById("none").onclick = () => {
    setAll(false);
    changed();
  };
  onLanguage.push(build);
  return {
    show: (code) => {
      state.hidden.delete(code);
      boxes[code].checked = true;
      changed();
    },
    hide: (codes) => {
      setAll(true);
      for (const code of codes) {
        state.hidden.add(code);
        if (boxes[code]) boxes[code].checked = false;
      }
      changed();
    },
  };
})();
