// Sort and filter tables, open verdicts, enlarge figures. All text is set as text, never as markup.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

function make(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// --- colours ---

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const theme = $("#theme");
theme.setAttribute("aria-pressed", isDark());
theme.addEventListener("click", () => {
  const next = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  theme.setAttribute("aria-pressed", next === "dark");
  try { localStorage.setItem("theme", next); } catch { /* not kept */ }
});

// The menu is open beside the text, and closed above it on a narrow screen.
if (matchMedia("(max-width: 60rem)").matches) $(".menu").open = false;

// --- tables ---

const UNITS = { K: 1e3, M: 1e6, G: 1e9, T: 1e12 };

// The number that a cell begins with, such as 1.3M; null for words.
function cellNumber(text) {
  const found = text.trim().match(/^[+−-]?\d[\d,]*(\.\d+)?\s*([KMGT])?/);
  if (!found) return null;
  return parseFloat(found[0].replace("−", "-").replaceAll(",", "")) * (UNITS[found[2]] ?? 1);
}

const cellText = (row, column) => {
  const cell = row.cells[column];
  return cell ? cell.dataset.value ?? cell.textContent : "";
};

function sortTable(table, column, direction) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, text: cellText(row, column).trim() }));
  for (const item of rows) item.number = cellNumber(item.text);
  const order = (a, b) => {
    if ((a.number === null) !== (b.number === null)) return a.number === null ? 1 : -1; // numbers first, either way
    return direction * (a.number === null ? a.text.localeCompare(b.text) : a.number - b.number);
  };
  body.append(...rows.sort(order).map((item) => item.row));
}

for (const table of $$("main table")) {
  if (!table.tHead || !table.tBodies.length || table.tBodies[0].rows.length < 2) continue;
  for (const header of table.tHead.rows[0].cells) {
    if (!header.textContent.trim()) continue;
    const button = make("button", "", { type: "button", class: "sort" });
    button.append(...header.childNodes);
    button.insertBefore(make("span", "", { class: "arrow", "aria-hidden": "true" }), $("small", button));
    header.append(button);
    button.addEventListener("click", () => {
      const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      sortTable(table, header.cellIndex, direction);
    });
  }
}

for (const filter of $$(".filter")) {
  filter.hidden = false;
  const table = document.getElementById(filter.dataset.for);
  filter.addEventListener("change", () => {
    const wanted = new Set($$(":checked", filter).map((box) => box.value));
    for (const row of table.tBodies[0].rows) {
      const cells = $$("[data-group]", row);
      for (const cell of cells) cell.classList.toggle("dim", wanted.size > 0 && !wanted.has(cell.dataset.group));
      row.hidden = wanted.size > 0 && !cells.some((cell) => wanted.has(cell.dataset.group));
    }
  });
}

// --- verdicts ---

const details = JSON.parse($("#details")?.textContent ?? "null") ?? { verdicts: {}, records: {} };
const dialog = $("#verdict");

function addEntries(list, entries) {
  for (const [name, text] of Object.entries(entries)) {
    const value = make("dd");
    value.append(name === "command" ? make("code", text) : text);
    list.append(make("dt", name), value);
  }
}

function openVerdict(anchor) {
  const { value, mark, group, record, ...entries } = details.verdicts[anchor];
  const list = $("dl", dialog);
  list.replaceChildren();
  $("h2", dialog).textContent = value;
  addEntries(list, { verdict: `${mark} ${group}`, ...entries });
  if (record) addEntries(list, { record, ...details.records[record] });
  const link = make("a", "link to this verdict", { href: `#${anchor}` });
  const place = make("dd");
  place.append(link);
  list.append(make("dt", "address"), place);
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button.verdict");
  if (button) openVerdict(button.id);
  if (event.target === dialog || event.target === $("#figure")) event.target.close(); // beside the content
});

function followHash() {
  const anchor = decodeURIComponent(location.hash.slice(1));
  if (Object.hasOwn(details.verdicts, anchor) && !dialog.open) openVerdict(anchor);
  document.getElementById(anchor)?.closest("details")?.setAttribute("open", "");
}
addEventListener("hashchange", followHash);
followHash();

// --- figures ---

for (const button of $$(".enlarge")) {
  button.addEventListener("click", () => {
    const figure = $("#figure");
    $(".scroll", figure).replaceChildren(make("object", "", { type: "image/svg+xml", data: button.dataset.figure, "aria-label": "Figure" }));
    figure.showModal();
  });
}

// --- the page of all values ---

const filters = $("#filters");
if (filters) {
  const rows = [...$("#values").tBodies[0].rows].map((row) => ({ row, text: row.textContent.toLowerCase() }));
  const headings = $$("#headings li").map((item) => ({ item, text: item.dataset.text.toLowerCase() }));
  const apply = () => {
    const wanted = Object.fromEntries(new FormData(filters));
    const words = wanted.q.toLowerCase().split(/\s+/).filter(Boolean);
    const has = (text) => words.every((word) => text.includes(word));
    let shown = 0;
    for (const { row, text } of rows) {
      const matches = ["paper", "kind", "group"].every((name) => !wanted[name] || row.dataset[name] === wanted[name]);
      row.hidden = !(matches && has(text));
      shown += !row.hidden;
    }
    for (const { item, text } of headings) item.hidden = !words.length || !has(text);
    $("#headings").hidden = headings.every(({ item }) => item.hidden);
    $("#count").textContent = `${shown} of ${rows.length} values`;
  };
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (filters.elements[name]) filters.elements[name].value = value;
  }
  $("#q").value = filters.elements.q.value;
  filters.addEventListener("input", apply);
  filters.addEventListener("submit", (event) => event.preventDefault());
  apply();
}
