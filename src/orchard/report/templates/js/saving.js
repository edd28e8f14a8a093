// Texts into files and onto the clipboard.
const saving = (() => {
  // RFC 4180: what holds a comma, a quote or a line's end stands in quotes.
  function field(value) {
    const text = String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function csv(header, rows) {
    return [header, ...rows].map((row) => `${row.map(field).join(",")}\n`).join("");
  }

  function save(name, type, text) {
    const address = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
    make("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }

  function button(name, act, properties = {}) {
    const made = make("button", { type: "button", textContent: name, ...properties });
    if (act) made.onclick = act;
    return made;
  }

  return { csv, save, button };
})();
