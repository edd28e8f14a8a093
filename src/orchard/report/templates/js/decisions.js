// What is to become of images: keep, drop, or another label. They stay in this browser, where it
// lets a page keep anything, and leave it as a file.
const decisions = (() => {
  const STORED = `orchard-decisions:${location.pathname}`;
  const bar = document.getElementById("decisions"),
    dialog = document.getElementById("relabel");
  const FILE = "decisions.csv";
  const onChange = [];
  const made = new Map(stored()); // path → [decision, label]
  const undone = []; // for each step, what it changed: [path, what was there][]
  let isSaved = !made.size,
    isKept = true;

  function stored() {
    try {
      return JSON.parse(localStorage.getItem(STORED) ?? "[]");
    } catch {
      return []; // storage is forbidden, or its content is not ours
    }
  }

  function keep() {
    try {
      made.size
        ? localStorage.setItem(STORED, JSON.stringify([...made]))
        : localStorage.removeItem(STORED);
      isKept = true;
    } catch {
      isKept = false;
    }
  }

  function set(path, decision) {
    decision ? made.set(path, decision) : made.delete(path);
  }

  // decided: [path, [decision, label] or null][]; one step to undo.
  function decide(decided) {
    undone.push(decided.map(([path]) => [path, made.get(path) ?? null]));
    for (const [path, decision] of decided) set(path, decision);
    changed();
  }

  function undo() {
    for (const [path, before] of undone.pop() ?? []) set(path, before);
    changed();
  }

  function changed() {
    isSaved = false;
    keep();
    show();
    for (const update of onChange) update();
  }

  function count(decision) {
    let n = 0;
    for (const [kind] of made.values()) n += kind === decision;
    return n;
  }

  function asCsv() {
    const rows = [...made].map(([path, [decision, label]]) => [path, decision, label ?? ""]);
    return saving.csv(["path", "decision", "label"], rows);
  }

  function show() {
    bar.hidden = !made.size && !undone.length;
    const numbers = Object.fromEntries(["keep", "drop", "relabel"].map((k) => [k, count(k)]));
    const save = saving.button(t("js_save_decisions"), () => {
      saving.save(FILE, "text/csv", asCsv());
      isSaved = true;
      show();
      bar.querySelector("button").focus();
    });
    save.className = "main";
    const back = saving.button(t("js_undo"), undo, { disabled: !undone.length });
    const clear = saving.button(
      t("js_clear_decisions"),
      () => decide([...made.keys()].map((path) => [path, null])),
      { disabled: !made.size },
    );
    const told = make("p", { textContent: t("js_decided", { n: made.size, ...numbers }) });
    if (isSaved && made.size) told.append(` ${t("js_saved")}`);
    else if (!isKept) told.append(` ${t("js_not_kept")}`);
    bar.replaceChildren(told, make("div", { className: "acts" }, save, back, clear), next());
  }

  function next() {
    const again = document.getElementById("command").textContent;
    const commands = {
      erase: `orchard erase ${bench.output} --from-file ${FILE}`,
      labels: `${again} --labels ${FILE}`,
      dedupe: `orchard dedupe ${bench.output} --decisions ${FILE}`,
      exclude: `${again} --exclude-from ${FILE}`,
    };
    const lines = Object.entries(commands).map(([name, command]) =>
      make("li", {}, make("code", { textContent: command }), ` ${t(`js_next_${name}`)}`),
    );
    return make(
      "details",
      { open: bar.querySelector("details")?.open ?? false },
      make("summary", { textContent: t("js_next") }),
      make("ul", {}, ...lines),
    );
  }

  // Ask for a label; `then` gets it. suggested: what stands in the field.
  function askLabel(n, suggested, then) {
    const field = make("input", { id: "new-label", value: suggested ?? "", autocomplete: "off" });
    field.setAttribute("list", "known-labels");
    const known = make("datalist", { id: "known-labels" });
    for (const name of data.labels)
      if (name && name !== data.other) known.append(make("option", { value: name }));
    const name = make("label", { htmlFor: "new-label", textContent: t("js_new_label", { n }) });
    const form = make("form", { method: "dialog" }, name, field, known);
    const go = make("button", { className: "main", textContent: t("js_relabel") });
    const no = saving.button(t("js_cancel"), () => dialog.close());
    form.append(make("p", { className: "acts" }, go, no));
    form.onsubmit = (event) => {
      event.preventDefault(); // the page's policy lets no form be sent anywhere
      const label = field.value.trim();
      dialog.close();
      if (label) then(label);
    };
    dialog.replaceChildren(form);
    dialog.setAttribute("aria-label", t("js_relabel"));
    dialog.showModal();
    field.select();
  }

  function start() {
    addEventListener("beforeunload", (event) => {
      if (!isKept && !isSaved && made.size) event.preventDefault();
    });
    onLanguage.push(show);
  }

  return { of: (path) => made.get(path), decide, undo, askLabel, start, onChange, asCsv };
})();

function decisionName([decision, label]) {
  if (decision === "relabel") return `→ ${label}`;
  return t(decision === "keep" ? "js_keep_done" : "js_drop_done");
}
