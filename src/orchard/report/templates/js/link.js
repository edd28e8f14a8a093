// The address of what is to be seen: the view, what is shown, and the selection, after the "#".
const link = (() => {
  const START = "#look";
  const MOST = 12_000; // characters of a selection: longer addresses are cut by what passes them on
  const note = document.getElementById("link-note");

  // Numbers in ascending order as their distances, seven bits a byte.
  function packed(numbers) {
    const bytes = [];
    let last = -1;
    for (const number of numbers) {
      let apart = number - last - 1;
      last = number;
      while (apart > 127) {
        bytes.push((apart & 127) | 128);
        apart >>>= 7;
      }
      bytes.push(apart);
    }
    const text = btoa(bytes.map((byte) => String.fromCharCode(byte)).join(""));
    return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  function unpacked(text) {
    const numbers = [];
    let last = -1,
      apart = 0,
      shift = 0;
    for (const character of atob(text.replaceAll("-", "+").replaceAll("_", "/"))) {
      const byte = character.charCodeAt(0);
      apart += (byte & 127) * 2 ** shift;
      shift += 7;
      if (byte & 128) continue;
      last += apart + 1;
      numbers.push(last);
      [apart, shift] = [0, 0];
    }
    return numbers;
  }

  function address() {
    const look = new URLSearchParams({ of: bench.key, ...viewNow() });
    if (state.hidden.size) look.set("hidden", [...state.hidden].join("."));
    const query = document.getElementById("search").value.trim();
    if (query) look.set("search", query);
    const { found, between } = filters.present();
    if (found.length) look.set("found", found.join("."));
    for (const [name, ends] of Object.entries(between)) look.set(name, ends.join("-"));
    const chosen = packed(selection.chosen());
    if (chosen.length > MOST) note.textContent = t("js_link_without_selection");
    else if (chosen) look.set("selected", chosen);
    if (state.picked >= 0) look.set("picked", state.picked);
    history.replaceState(null, "", `${START}&${look}`);
    return location.href;
  }

  function viewNow() {
    const view = aim(),
      round = (value) => Math.round(value * 1000) / 1000;
    const place = [...view.target.slice(0, 2), view.zoom - fitZoom].map(round);
    return state.mode === "space"
      ? { "3d": [...place, view.rotationX, view.rotationOrbit].map(round).join(",") }
      : { view: place.join(",") };
  }

  function follow() {
    if (!location.hash.startsWith(START)) return;
    const look = new URLSearchParams(location.hash.slice(START.length + 1));
    const isOurs = look.get("of") === bench.key;
    note.textContent = isOurs ? "" : t("js_link_of_another");
    if (!isOurs) return;
    const numbers = (name, between) => (look.get(name) ?? "").split(between).map(Number);
    legend.hide(look.get("hidden") ? numbers("hidden", ".") : []);
    const ranges = bench.filters.filter(({ name }) => look.has(name));
    filters.restore({
      found: (look.get("found") ?? "").split("."),
      between: Object.fromEntries(ranges.map(({ name }) => [name, numbers(name, "-")])),
    });
    search.find(look.get("search") ?? "");
    if (look.has("3d") && deck) setMode("space");
    else if (state.mode !== "map") setMode("map");
    const [x, y, closer, rotationX, rotationOrbit] = numbers(
      state.mode === "space" ? "3d" : "view",
      ",",
    );
    if ([x, y, closer].every(Number.isFinite))
      setView({
        target: [x, y, 0],
        zoom: fitZoom + closer,
        ...(state.mode === "space" && { rotationX, rotationOrbit }),
      });
    try {
      selection.select(unpacked(look.get("selected") ?? "").filter((point) => point < points.n));
    } catch {
      selection.select([]); // the address was cut
    }
    const picked = Number(look.get("picked") ?? -1);
    search.pick(picked < points.n ? picked : -1);
    document.getElementById("map-section").scrollIntoView({ behavior: "instant" });
  }

  function start() {
    follow();
    addEventListener("hashchange", follow);
  }

  return { address, start };
})();
