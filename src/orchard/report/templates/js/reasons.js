// What is known of one image: what was found about it, what its nearest are, its file.
const reasons = (() => {
  const found = Object.entries(bench.found).map(([kind, one]) => {
    const at = one.bits ? positions(new Uint8Array(bytesOf(one.bits))) : numbers(one.points);
    return { kind, n: one.n, at, scores: one.bits ? scaled(one) : floats(one.scores) };
  });
  const suggested = new Map(bench.wrong.map(([member, , label]) => [member, label]));

  function numbers(packed) {
    return new Uint32Array(bytesOf(packed));
  }

  function floats(packed) {
    return new Float32Array(bytesOf(packed));
  }

  // The numbers of the bits that are set, ascending.
  function positions(bits) {
    const found = new Uint32Array(8 * bits.length);
    let n = 0;
    for (let i = 0; i < 8 * bits.length; i++) if ((bits[i >> 3] >> (i & 7)) & 1) found[n++] = i;
    return found.slice(0, n);
  }

  function scaled({ levels, low, high }) {
    return Float32Array.from(
      new Uint16Array(bytesOf(levels)),
      (level) => low + (level / 65535) * (high - low),
    );
  }

  // Where a number stands among ascending ones, or -1.
  function placeOf(number, at) {
    let low = 0,
      high = at.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at[middle] < number) low = middle + 1;
      else high = middle;
    }
    return at[low] === number ? low : -1;
  }

  function nameOf(kind) {
    return words[`js_kind_${kind}`] ? t(`js_kind_${kind}`) : kind;
  }

  // Sentences on why the image stands where it does.
  function of(point) {
    if (point < 0) return [];
    const said = [];
    for (const { kind, at, scores } of found) {
      const place = placeOf(point, at);
      if (place >= 0) {
        const score = scores[place].toLocaleString(language, {
          maximumFractionDigits: 3,
        });
        const key = `js_why_${kind}`;
        const label = suggested.get(point) ?? "";
        said.push(words[key] ? t(key, { score, label }) : `${nameOf(kind)}: ${score}`);
      }
    }
    said.push(neighbours(point));
    return said;
  }

  function neighbours(point) {
    const tally = new Map();
    for (const near of images.nearest(point)) {
      const code = points.label[near];
      tally.set(code, (tally.get(code) ?? 0) + 1);
    }
    const parts = [...tally]
      .sort((a, b) => b[1] - a[1])
      .map(([code, n]) => `${labelName(code)} ${n.toLocaleString(language)}`);
    return t("js_why_neighbours", { classes: parts.join(", ") });
  }

  // [name, value] of the image's file, as exact as the filters are.
  function facts(point) {
    return point < 0 ? [] : filters.valuesOf(point);
  }

  // The image itself: from `orchard view`, or from this machine's disk for a page that lies there.
  function opener(path, full) {
    const isHere = location.protocol === "file:" && path.startsWith("/") && !path.includes("!/");
    if (!full && !isHere) return null;
    const href = full ?? `file://${path.split("/").map(encodeURIComponent).join("/")}`;
    const made = make("a", { href, target: "_blank", rel: "noopener" });
    made.textContent = t("js_open_image");
    return made;
  }

  // What a card says besides the picture and the nearest.
  function card(point, path) {
    const parts = [];
    const said = of(point).map((sentence) => make("li", { textContent: sentence }));
    if (said.length)
      parts.push(
        make("h3", { textContent: t("js_why") }),
        make("ul", { className: "why" }, ...said),
      );
    const known = facts(point).flatMap(([name, value]) => [
      make("dt", { textContent: name }),
      make("dd", { textContent: value }),
    ]);
    if (known.length) parts.push(make("dl", { className: "facts" }, ...known));
    return [...parts, toDecide(point, path)];
  }

  function toDecide(point, path) {
    const now = decisions.of(path);
    const line = make("p", { className: "acts decide" });
    const button = (word, decision) => {
      const same = now?.join() === decision.join();
      const made = saving.button(word, () => decisions.decide([[path, same ? null : decision]]));
      made.setAttribute("aria-pressed", same);
      line.append(made);
    };
    button(t("js_keep"), ["keep"]);
    button(t("js_drop"), ["drop"]);
    const label = suggested.get(point) ?? (point < 0 ? "" : data.labels[points.label[point]]);
    const ask = () =>
      decisions.askLabel(1, label === data.other ? "" : label, (chosen) =>
        decisions.decide([[path, ["relabel", chosen]]]),
      );
    line.append(saving.button(t("js_relabel_as"), ask));
    if (now) line.append(make("span", { className: "badge", textContent: decisionName(now) }));
    return line;
  }

  return { found, opener, card, toDecide, nameOf };
})();
