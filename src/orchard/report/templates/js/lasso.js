// A lasso or a rectangle over the map. With Shift it adds to the selection, with Alt it takes away.
const lasso = (() => {
  const layer = document.getElementById("draw"),
    outline = layer.querySelector("path");
  const buttons = ["lasso", "rectangle"].map((name) => document.getElementById(name));
  let tool = "",
    corners = []; // on the stage, while something is drawn

  function use(name) {
    tool = name;
    corners = [];
    draw();
    layer.toggleAttribute("hidden", !tool); // an SVG has no such property
    stage.classList.toggle("selecting", Boolean(tool));
    for (const button of buttons) button.setAttribute("aria-pressed", button.id === tool);
    if (tool) setHover(-1);
  }

  function at(event) {
    const box = layer.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  function shape() {
    if (tool !== "rectangle" || corners.length < 2) return corners;
    const [[left, top], [right, bottom]] = [corners[0], corners.at(-1)];
    return [
      [left, top],
      [right, top],
      [right, bottom],
      [left, bottom],
    ];
  }

  function draw() {
    const drawn = shape();
    outline.setAttribute("d", drawn.length ? `M${drawn.map((c) => c.join(" ")).join("L")}Z` : "");
  }

  // Whether a place is within a polygon, by the number of its sides to the right of it.
  function isWithin([x, y], polygon) {
    let within = false;
    for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
      const [ax, ay] = polygon[i],
        [bx, by] = polygon[j];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
    }
    return within;
  }

  function chosen() {
    const polygon = shape(),
      project = projector();
    const [left, right] = [Math.min, Math.max].map((end) => end(...polygon.map(([x]) => x)));
    return [...shown].filter((point) => {
      const place = project(point);
      return place[0] >= left && place[0] <= right && isWithin(place, polygon);
    });
  }

  function start() {
    for (const button of buttons) button.onclick = () => use(tool === button.id ? "" : button.id);
    layer.onpointerdown = (event) => {
      event.preventDefault();
      layer.setPointerCapture(event.pointerId);
      corners = [at(event)];
    };
    layer.onpointermove = (event) => {
      if (!corners.length) return;
      corners.push(at(event));
      draw();
    };
    layer.onpointerup = (event) => {
      if (corners.length > 2) {
        const how = event.shiftKey ? "add" : event.altKey ? "remove" : "replace";
        selection.select(chosen(), how);
        if (how === "replace") use("");
      }
      corners = [];
      draw();
    };
    layer.onpointercancel = () => use("");
    layer.onclick = (event) => event.stopPropagation(); // the stage would take it for a point's
    stage.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape" && tool) use("");
      else if (event.key === "l") use(tool === "lasso" ? "" : "lasso");
      else if (event.key === "r") use(tool === "rectangle" ? "" : "rectangle");
    });
  }

  return { start };
})();
