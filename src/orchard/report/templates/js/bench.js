// What the workbench shows: images on the map by their number, others by their path.
const bench = JSON.parse(document.getElementById("bench").textContent);

const members = (() => {
  // Set by `orchard view`: where the pictures of the source are to be had.
  const source = document.documentElement.dataset.pictures;

  const isOnMap = (member) => typeof member === "number";
  const path = (member) => (isOnMap(member) ? pathOf(member) : member);

  function short(member) {
    if (isOnMap(member)) return shortPath(member);
    return member.startsWith(data.start) ? member.slice(data.start.length) : member;
  }

  function fullSource(ofPath) {
    return source ? source + encodeURIComponent(ofPath) : null;
  }

  // A picture at most `side` pixels wide and high, the largest that this page holds.
  function picture(member, side) {
    const large = bench.large[member];
    if (large) {
      const shown = make("img", { src: large, alt: "" });
      const ratio = isOnMap(member) ? points.ratio[member] : 1;
      shown.style.width = `${ratio >= 1 ? side : side * ratio}px`;
      shown.style.aspectRatio = ratio;
      return shown;
    }
    if (!isOnMap(member)) return make("span", { className: "none" });
    const tile = sprites.canvas(member, side);
    tile.removeAttribute("role");
    tile.removeAttribute("aria-label");
    tile.setAttribute("aria-hidden", "true");
    return tile;
  }

  return { isOnMap, path, short, picture, fullSource };
})();
