// Sort and filter tables, open verdicts, show the values of figures. All text is set as text, never as markup.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
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

addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.matches("input, select")) return;
  event.preventDefault();
  ($("#filters [name=q]") ?? $("#q")).focus();
});

// --- tables ---

const UNITS = { K: 1e3, M: 1e6, G: 1e9, T: 1e12 };
const NUMBER = /^[+−-]?\d[\d,]*(\.\d+)?\s*([KMGT])?/;
const PLAIN = /^([+−-]?[\d.,]+\s*[KMGT%×]?|-|–|)$/;

// The number that a cell begins with, such as 1.3M; null for words.
function cellNumber(text) {
  const found = text.match(NUMBER);
  if (!found) return null;
  return parseFloat(found[0].replace("−", "-").replaceAll(",", "")) * (UNITS[found[2]] ?? 1);
}

const cellText = (row, column) => {
  const cell = row.cells[column];
  return (cell ? cell.dataset.value ?? cell.textContent : "").trim();
};

function sortTable(table, column, direction) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => {
    const text = cellText(row, column);
    return { row, text, number: cellNumber(text) };
  });
  const order = (a, b) => {
    if ((a.number === null) !== (b.number === null)) return a.number === null ? 1 : -1; // numbers first, either way
    return direction * (a.number === null ? a.text.localeCompare(b.text) : a.number - b.number);
  };
  body.append(...rows.sort(order).map((item) => item.row));
}

for (const table of $$("main table")) {
  const rows = [...(table.tBodies[0]?.rows ?? [])];
  if (!table.tHead || rows.length < 2) continue;
  for (const header of table.tHead.rows[0].cells) {
    if (!header.textContent.trim()) continue;
    const column = header.cellIndex;
    if (!table.matches(".printed") && rows.every((row) => PLAIN.test(cellText(row, column)))) {
      for (const cell of [header, ...rows.map((row) => row.cells[column])]) cell?.classList.add("num");
    }
    const button = make("button", { type: "button", class: "sort" }, ...header.childNodes);
    button.insertBefore(make("span", { class: "arrow", "aria-hidden": "true" }), $("small", button));
    header.append(button);
    button.addEventListener("click", () => {
      const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      sortTable(table, column, direction);
    });
  }
}

const filter = $(".filter");

// The header of a table that is no wider than the page stays in view; a wide and high one scrolls within its own box.
function fitTables() {
  const bar = filter && getComputedStyle(filter).position === "sticky" ? filter.offsetHeight : 0;
  document.documentElement.style.setProperty("--stuck", `${bar}px`);
  for (const box of $$("main .scroll")) {
    box.classList.remove("fits", "tall");
    const fits = box.scrollWidth <= box.clientWidth;
    box.classList.toggle("fits", fits);
    box.classList.toggle("tall", !fits && box.scrollHeight > 1.3 * innerHeight);
    box.tabIndex = fits ? -1 : 0;
  }
}
addEventListener("resize", fitTables);
document.addEventListener("toggle", fitTables, true); // what is folded has no size

// The elements of the section that a table stands in.
function sectionOf(table) {
  const isHeading = (element) => element.matches("h2");
  const parts = [table.parentElement];
  while (!isHeading(parts[0])) parts.unshift(parts[0].previousElementSibling);
  for (let next = table.parentElement.nextElementSibling; next && !isHeading(next); next = next.nextElementSibling) parts.push(next);
  return parts;
}

function filterTables() {
  const wanted = new FormData(filter);
  const all = !wanted.has("group") && !wanted.has("kind");
  const matches = ({ dataset }) => ["group", "kind"].every((name) => !wanted.has(name) || wanted.getAll(name).includes(dataset[name]));
  let [values, tables] = [0, 0];
  for (const table of $$(".printed")) {
    for (const row of table.tBodies[0].rows) {
      const cells = $$("[data-group]", row);
      for (const cell of cells) cell.classList.toggle("dim", !matches(cell));
      row.hidden = !all && !cells.some(matches);
      values += cells.filter(matches).length;
    }
    const shown = [...table.tBodies[0].rows].some((row) => !row.hidden);
    for (const part of sectionOf(table)) part.hidden = !shown;
    tables += shown;
  }
  $("output", filter).textContent = `${values} values in ${tables} ${tables === 1 ? "table" : "tables"}`;
  $("[type=reset]", filter).hidden = all;
}

if (filter) {
  filter.hidden = false;
  filter.addEventListener("change", filterTables);
  filter.addEventListener("reset", () => setTimeout(filterTables)); // when the boxes are empty
  filterTables();
}

fitTables();

// --- verdicts ---

const details = JSON.parse($("#details")?.textContent ?? "null") ?? { verdicts: {} };
const dialog = $("#verdict");

const list = (text) => {
  const parts = text.split("; ");
  return parts.length > 1 ? make("ul", {}, ...parts.map((part) => make("li", {}, part))) : text;
};

function fields(entries, kind = "fields") {
  const shown = Object.entries(entries).filter(([, value]) => value);
  return make("dl", { class: kind }, ...shown.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

function section(title, ...content) {
  return [make("h3", {}, title), ...content];
}

function openVerdict(anchor) {
  const verdict = details.verdicts[anchor];
  const { place, mark, group, measured, internal, record } = verdict;
  const badge = make("span", { class: `badge g-${group.replaceAll(" ", "-")}` }, make("i", { "aria-hidden": "true" }, mark), ` ${group}`);
  const unit = verdict.unit && verdict.ours && cellNumber(verdict.ours) !== null ? ` ${verdict.unit}` : "";
  const rounded = verdict.rounded !== verdict.ours && verdict.rounded;
  $("#verdict-title").textContent = place.join(" · ");
  const parts = [
    fields({ printed: verdict.printed, ours: verdict.ours && verdict.ours + unit, "ours, rounded": rounded, verdict: badge }, "compare"),
    ...section("Against our measurement", make("p", {}, make("b", {}, measured), `: ${details.meanings[measured]}.`), fields({ "rests on": verdict.basis, reason: list(verdict.reason ?? "") })),
  ];
  if (internal) parts.push(...section("Against the paper's other values", make("p", {}, make("b", {}, internal), `: ${details.meanings[internal]}.`), fields({ arithmetic: list(verdict.arithmetic ?? "") })));
  if (record) {
    const { command, ...rest } = details.records[record];
    parts.push(...section("Record", fields({ id: record, command: command && make("code", {}, command), ...rest })));
  }
  if (verdict.repeats) parts.push(...section("Printed twice", make("p", {}, `Counted with ${verdict.repeats}.`)));
  $("#verdict-text").replaceChildren(...parts);
  dialog.showModal();
  $("#verdict-text").scrollTop = 0;
  history.replaceState(null, "", `#${anchor}`);
}

dialog?.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
document.addEventListener("click", (event) => {
  const button = event.target.closest("button.verdict");
  if (button) openVerdict(button.id);
  if (event.target.matches("dialog")) event.target.close(); // beside the content
});

function followHash() {
  const anchor = decodeURIComponent(location.hash.slice(1));
  const target = document.getElementById(anchor);
  if (target?.closest("[hidden]")) filter?.reset();
  target?.closest("details:not([open])")?.setAttribute("open", "");
  target?.scrollIntoView();
  if (Object.hasOwn(details.verdicts, anchor) && !dialog.open) {
    target?.focus({ preventScroll: true });
    openVerdict(anchor);
  }
}
addEventListener("hashchange", followHash);
if (location.hash) followHash();

// --- figures: values under the pointer, or by the arrow keys; and a larger view ---

const tip = $("#tip");

function showTip(text, x, y) {
  tip.textContent = text;
  tip.showPopover();
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - width - 4))}px`;
  tip.style.top = `${y + 16 + height > innerHeight ? y - height - 10 : y + 16}px`;
}

function distance(box, x, y) {
  return Math.hypot(Math.max(box.left - x, 0, x - box.right), Math.max(box.top - y, 0, y - box.bottom));
}

for (const drawing of $$(".drawing")) {
  const shapes = $$("title", drawing).map((title) => {
    const shape = title.parentElement;
    shape.dataset.tip = title.textContent;
    title.remove(); // shown by the page instead of the browser
    return shape;
  });
  const points = shapes.filter((shape) => shape.style.fill !== "none"); // of lines, only what is under the pointer
  const hide = () => {
    $(".hit", drawing)?.classList.remove("hit");
    tip.hidePopover();
  };
  const point = (shape, x, y) => {
    hide();
    shape.classList.add("hit");
    showTip(shape.dataset.tip, x, y);
  };
  drawing.addEventListener("pointermove", ({ target, clientX, clientY }) => {
    let [nearest, least] = [target.closest("[data-tip]"), 9];
    if (!nearest) {
      for (const shape of points) {
        const away = distance(shape.getBoundingClientRect(), clientX, clientY);
        if (away < least) [nearest, least] = [shape, away];
      }
    }
    if (nearest) point(nearest, clientX, clientY);
    else hide();
  });
  drawing.addEventListener("pointerleave", hide);
  drawing.addEventListener("blur", hide);
  drawing.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !points.length) return;
    event.preventDefault();
    const before = points.findIndex((shape) => shape.matches(".hit"));
    const shape = points[before < 0 ? 0 : (before + step + points.length) % points.length];
    const box = shape.getBoundingClientRect();
    point(shape, box.right, box.top);
  });
}

const zoomed = $("#figure");
for (const button of $$(".enlarge")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const figure = button.closest("figure");
    const drawing = $(".drawing", figure);
    $(".scroll", zoomed).replaceChildren(drawing);
    zoomed.style.setProperty("--scale", 1);
    zoomed.showModal();
    zoomed.addEventListener("close", () => figure.prepend(drawing), { once: true });
  });
}
for (const button of $$("[data-zoom]")) {
  button.addEventListener("click", () => {
    const scale = zoomed.style.getPropertyValue("--scale") * button.dataset.zoom;
    zoomed.style.setProperty("--scale", Math.min(6, Math.max(0.5, scale)));
  });
}

// --- the page of all values ---

const filters = $("#filters");
if (filters) {
  const rows = [...$("#values").tBodies[0].rows].map((row) => ({ row, text: `${row.textContent} ${row.dataset.ids}`.toLowerCase() }));
  const headings = $$("#headings li").map((item) => ({ item, text: item.textContent.toLowerCase() }));
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
  filters.hidden = false;
  filters.addEventListener("input", apply);
  filters.addEventListener("submit", (event) => event.preventDefault());
  apply();
}
