// The spectrum, drawn by Observable Plot in the page's own colours.
function drawSpectrum() {
  const drawn = JSON.parse(document.getElementById("drawn").textContent).variance;
  const style = getComputedStyle(document.documentElement);
  const accent = style.getPropertyValue("--embedded").trim(),
    soft = style.getPropertyValue("--soft").trim();
  const rows = drawn.ratio.map((ratio, i) => ({
    k: i + 1,
    ratio,
    cumulative: drawn.cumulative[i],
  }));
  const percent = (value) =>
    value.toLocaleString(language, { style: "percent", maximumFractionDigits: 2 });
  const common = {
    width: 620,
    height: 380,
    marginLeft: 52,
    marginRight: 16,
    marginBottom: 40,
    style: { background: "transparent", fontSize: "12.5px", fontFamily: "inherit", color: soft },
    x: {
      label: t("js_component"),
      domain: [0.5, rows.length + 0.5],
      labelAnchor: "right",
      tickFormat: (k) => (Number.isInteger(k) ? k.toLocaleString(language) : ""),
    },
    ariaLabel: t("js_component"),
  };
  const kept = [
    charts.ruleX([drawn.k], { stroke: style.getPropertyValue("--ink"), strokeDasharray: "4 4" }),
    charts.text([drawn.k], {
      x: (k) => k,
      frameAnchor: "bottom",
      dy: -8,
      dx: drawn.k > rows.length / 2 ? -6 : 6,
      textAnchor: drawn.k > rows.length / 2 ? "end" : "start",
      text: () => t("js_k_kept", { k: drawn.k }),
      fill: style.getPropertyValue("--ink"),
      fontWeight: 600,
      stroke: style.getPropertyValue("--card"),
      strokeWidth: 4,
    }),
  ];
  const pointer = (y) =>
    charts.tip(
      rows,
      charts.pointerX({
        x: "k",
        y,
        title: (row) => `${row.k.toLocaleString(language)}: ${percent(row[y])}`,
        fill: style.getPropertyValue("--card"),
        stroke: soft,
      }),
    );
  const cumulative = charts.plot({
    ...common,
    y: { domain: [0, 1], label: null, tickFormat: percent, grid: true },
    marks: [
      charts.areaY(rows, { x: "k", y: "cumulative", fill: accent, fillOpacity: 0.15 }),
      charts.ruleY(drawn.shares, {
        y: "share",
        x1: 0.5,
        x2: "k",
        stroke: soft,
        strokeOpacity: 0.6,
      }),
      charts.ruleX(drawn.shares, { x: "k", y1: 0, y2: "share", stroke: soft, strokeOpacity: 0.6 }),
      charts.lineY(rows, { x: "k", y: "cumulative", stroke: accent, strokeWidth: 2.5 }),
      ...drawn.shares.map((row) =>
        charts.text([row], {
          x: 0.5,
          y: "share",
          text: () => t("js_share_k", { share: percent(row.share), k: row.k }),
          textAnchor: "start",
          dx: 6,
          dy: -7,
          fontSize: 11,
          fill: soft,
          stroke: style.getPropertyValue("--card"),
          strokeWidth: 3,
        }),
      ),
      ...kept,
      pointer("cumulative"),
    ],
  });
  const scree = charts.plot({
    ...common,
    y: { label: null, tickFormat: percent, grid: true },
    marks: [
      charts.rectY(rows, {
        x1: (row) => row.k - 0.5,
        x2: (row) => row.k + 0.5,
        y: "ratio",
        fill: accent,
      }),
      ...kept,
      pointer("ratio"),
    ],
  });
  for (const [id, chart, name] of [
    ["cumulative", cumulative, "cumulative"],
    ["scree", scree, "scree"],
  ]) {
    const svg = chart.tagName === "svg" ? chart : chart.querySelector("svg");
    // Plot names its groups with aria-label; within one picture they are parts without a role.
    svg.querySelectorAll("[aria-label]").forEach((part) => part.removeAttribute("aria-label"));
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", document.querySelector(`#${name} + figcaption`).innerText);
    document.getElementById(id).replaceChildren(chart);
  }
}

// Sort the table of classes by one of its columns.
function startSorting() {
  const table = document.getElementById("classes"),
    body = table.tBodies[0];
  table.querySelectorAll("thead button").forEach((button) => {
    button.onclick = () => {
      const head = button.closest("th"),
        column = head.cellIndex;
      const rising =
        head.getAttribute("aria-sort") === "none"
          ? button.dataset.sort === "text"
          : head.getAttribute("aria-sort") === "descending";
      table
        .querySelectorAll("th[aria-sort]")
        .forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const value = (row) =>
        button.dataset.sort === "text"
          ? row.cells[column].textContent
          : Number(row.cells[column].dataset.value);
      const compare = (a, b) =>
        typeof a === "string" ? a.localeCompare(b, language, { numeric: true }) : a - b;
      body.append(
        ...[...body.rows].sort((a, b) => (rising ? 1 : -1) * compare(value(a), value(b))),
      );
    };
  });
}
