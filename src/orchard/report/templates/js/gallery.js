// Sets of duplicates, and labels that may be wrong, to be decided on one after the other: K keeps,
// D drops, R gives another label.
const gallery = (() => {
  const section = document.getElementById("work-section"),
    list = document.getElementById("cases"),
    head = document.getElementById("cases-head");
  const STEP = 24,
    SIDE = 116;
  const kinds = {
    wrong_label: bench.wrong.map(([member, label, suggested, score]) => ({
      score,
      n: 1,
      of: [{ member, label, suggested }],
    })),
    exact_duplicate: groupsOf("exact_duplicate"),
    near_duplicate: groupsOf("near_duplicate"),
  };
  let kind = Object.keys(kinds).find((name) => kinds[name].length),
    nShown = STEP;

  // The first of a group is the one to keep.
  function groupsOf(kind) {
    return bench.groups
      .filter(([name]) => name === kind)
      .map(([, score, n, those]) => ({ score, n, of: those.map((member) => ({ member })) }));
  }

  const pathOfOne = (one) => members.path(one.member);
  const isOpen = (set) => set.of.some((one) => !decisions.of(pathOfOne(one)));

  // What the page suggests: of duplicates the first stays, a wrong label becomes the suggested one.
  function suggestion(set) {
    return set.of.map((one, k) => [
      pathOfOne(one),
      one.suggested ? ["relabel", one.suggested] : [k ? "drop" : "keep"],
    ]);
  }

  function build() {
    section.hidden = document.getElementById("to-work").hidden = !kind;
    if (!kind) return;
    const tabs = Object.keys(kinds)
      .filter((name) => kinds[name].length)
      .map((name) => {
        const made = saving.button(`${reasons.nameOf(name)} `, () => turnTo(name));
        made.append(make("b", { textContent: kinds[name].length.toLocaleString(language) }));
        made.setAttribute("aria-pressed", name === kind);
        return made;
      });
    const take = saving.button(t("js_take_all"), () => {
      decisions.decide(kinds[kind].filter(isOpen).flatMap(suggestion).filter(isUndecided));
    });
    head.replaceChildren(
      make("div", { className: "segmented tabs" }, ...tabs),
      make("p", { className: "hint", textContent: t(`js_how_${kind}`) }),
      make("div", { className: "acts" }, take, make("span", { className: "progress" })),
    );
    list.replaceChildren();
    list.dataset.kind = kind;
    fill(0);
  }

  const isUndecided = ([path]) => !decisions.of(path);

  function turnTo(name) {
    [kind, nShown] = [name, STEP];
    build();
    head.querySelector('[aria-pressed="true"]').focus();
  }

  function fill(from) {
    document.getElementById("more-cases")?.remove();
    list.append(...kinds[kind].slice(from, nShown).map(setOf));
    const left = kinds[kind].length - nShown;
    if (left > 0) {
      const more = saving.button(t("js_more_groups", { n: Math.min(STEP, left), left }), () => {
        const first = nShown;
        nShown += STEP;
        fill(first);
        list.children[first].querySelector("button").focus();
      });
      more.id = "more-cases";
      more.className = "more-groups";
      list.after(more);
    }
    list.dispatchEvent(new CustomEvent("grown"));
    mark();
  }

  function setOf(set) {
    const element = make("li", { className: "case" }, ...set.of.map((one) => optionOf(one, set)));
    if (set.n > set.of.length)
      element.append(make("p", { textContent: t("js_and_more", { n: set.n - set.of.length }) }));
    return element;
  }

  function optionOf(one, set) {
    const path = pathOfOne(one),
      label = members.isOnMap(one.member) ? points.label[one.member] : -1;
    const shot = make("button", { type: "button", className: "shot-button", title: path });
    shot.append(members.picture(one.member, SIDE));
    const name = label < 0 ? "" : labelName(label);
    shot.setAttribute("aria-label", `${name} ${members.short(one.member)}`.trim());
    shot.onclick = () => images.show(one.member);
    shot.onkeydown = (event) => key(event, one, set, shot);
    const badge = make("p", { className: "badge" });
    const told = make("p", {}, ...(label < 0 ? [] : [swatch(label), ` ${name}`]));
    if (one.suggested) told.append(" → ", make("b", { textContent: one.suggested }));
    const option = make("div", { className: "option" }, shot, badge, told);
    option.append(make("code", { className: "path", textContent: members.short(one.member) }));
    option.dataset.path = path;
    const buttons = make("p", { className: "acts" });
    const button = (word, act) => {
      const made = saving.button(word, act);
      made.tabIndex = -1; // the keys of the picture do the same
      buttons.append(made);
    };
    button(t("js_keep"), () => give(one, ["keep"]));
    button(t("js_drop"), () => give(one, ["drop"]));
    if (one.suggested) button(t("js_relabel"), () => give(one, ["relabel", one.suggested]));
    option.append(buttons);
    return option;
  }

  // The same again takes it back.
  function give(one, decision) {
    const path = pathOfOne(one),
      before = decisions.of(path);
    decisions.decide([[path, before?.join() === decision.join() ? null : decision]]);
  }

  function key(event, one, set, shot) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = {
      k: () => decisions.decide([[pathOfOne(one), ["keep"]]]),
      d: () => decisions.decide([[pathOfOne(one), ["drop"]]]),
      r: () => relabel(one),
      o: () => decisions.decide(set.of.map((x) => [pathOfOne(x), [x === one ? "keep" : "drop"]])),
      s: () => decisions.decide(suggestion(set)),
      u: () => decisions.undo(),
      backspace: () => decisions.decide([[pathOfOne(one), null]]),
    };
    const act = acts[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    const goesOn = act() !== false && !["u", "backspace"].includes(event.key.toLowerCase());
    if (goesOn) next(shot, event.key.toLowerCase() === "k" || event.key.toLowerCase() === "d");
  }

  function relabel(one) {
    if (one.suggested) return decisions.decide([[pathOfOne(one), ["relabel", one.suggested]]]);
    const code = points.label[one.member];
    decisions.askLabel(1, code === undefined ? "" : data.labels[code], (label) =>
      decisions.decide([[pathOfOne(one), ["relabel", label]]]),
    );
    return false;
  }

  // On to the next picture; past those of a set that is decided on.
  function next(shot, isOfOne) {
    const shots = [...list.querySelectorAll(".shot-button")];
    const here = shot.closest(".case");
    const after = shots.slice(shots.indexOf(shot) + 1);
    const to = isOfOne ? after[0] : after.find((other) => other.closest(".case") !== here);
    (to ?? shot).focus();
  }

  function mark() {
    for (const option of list.querySelectorAll(".option")) {
      const decision = decisions.of(option.dataset.path);
      option.dataset.decision = decision?.[0] ?? "";
      option.querySelector(".badge").textContent = decision ? decisionName(decision) : "";
    }
    if (!kind) return;
    const n = kinds[kind].length,
      done = n - kinds[kind].filter(isOpen).length;
    head.querySelector(".progress").textContent = t("js_cases_done", { done, n });
  }

  function start() {
    const refresh = roving(list, ".shot-button");
    list.addEventListener("grown", refresh);
    decisions.onChange.push(mark);
    onLanguage.push(build);
  }

  return { start };
})();
