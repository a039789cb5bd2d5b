(() => {
"use strict";
const $ = (id) => document.getElementById(id);
const make = (tag, cls, text) => {
  const node = document.createElement(tag);
  if (cls) node.className = cls;
  if (text !== undefined) node.textContent = text;
  return node;
};
const SVG = "http://www.w3.org/2000/svg";
const draw = (tag, attributes) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
document.documentElement.classList.add("js");

// ---- details of an account, drawn when its row is opened ----
// They are zipped in the page and unzipped once, with the browser's own decompression.
let details = null;
const load = async () => {
  const bytes = Uint8Array.from(atob($("details").textContent), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
};
let loading = null;
const whenLoaded = () => (loading ??= load().then((content) => { details = content; }));
const number = (value, digits) => value.toFixed(digits).replace("-", "−");

const bar = (parts) => {
  const svg = draw("svg", { "aria-hidden": "true" });
  for (const [tag, attributes] of parts) svg.append(draw(tag, attributes));
  return svg;
};
const term = (text, picture, figure, cls) => {
  const row = make("tr", cls);
  const middle = make("td");
  if (picture) middle.append(picture);
  row.append(make("td", "", text), middle, make("td", "", figure));
  return row;
};
const block = (title, rows, hint) => {
  const part = make("div"), table = make("table", "terms"), body = make("tbody");
  body.append(...rows);
  table.append(body);
  part.append(make("h4", "", title), table);
  if (hint) part.append(make("p", "hint", hint));
  return part;
};

const factsBlock = (account) => {
  const part = make("div"), list = make("dl", "facts");
  details.facts.forEach((name, i) => {
    if (account.f[i]) list.append(make("dt", "", name), make("dd", "", account.f[i]));
  });
  part.append(make("h4", "", "Account"), list);
  return part;
};

const eventsBlock = (pairs) => {
  const part = make("div"), list = make("dl", "facts");
  for (let i = 0; i < pairs.length; i += 2) {
    const text = make("dd"), inner = make("bdi", "", pairs[i + 1]);
    text.append(inner);
    list.append(make("dt", "", pairs[i]), text);
  }
  part.append(make("h4", "", "Tickets and survey answers of the last 90 days"), list);
  return part;
};

const healthBlock = (numbers) => {
  const texts = details.texts, rows = [];
  let most = 0, sum = 0;
  for (let i = 0; i < numbers.length; i += 3) most = Math.max(most, numbers[i + 1] + numbers[i + 2]);
  for (let i = 0; i < numbers.length; i += 3) {
    const [text, earned, missing] = numbers.slice(i, i + 3);
    const full = 96 / (most || 1);
    sum += earned;
    rows.push(term(texts[text], bar([
      ["rect", { class: "missing", x: `${earned * full}%`, y: 1, width: `${missing * full}%`, height: 10 }],
      ["rect", { class: "earned", x: 0, y: 1, width: `${earned * full}%`, height: 10 }],
    ]), `${number(earned, 1)} of ${number(earned + missing, 1)}`));
  }
  rows.push(term("Health score", null, number(sum, 1), "sum"));
  return block("Health: points earned and missing", rows, "Full bar: points earned. Dashed bar: points missing to 100.");
};

const TITLES = {
  upsell: ["What makes growing more or less likely", "Chance of growing"],
  cross_sell: ["What makes buying more or less likely", "Chance of buying"],
};
const percent = (logit) => {
  const share = 100 / (1 + Math.exp(-logit));
  return share > 0 && share < 0.5 ? "<1 %" : share > 99.5 && share < 100 ? ">99 %" : `${share.toFixed(0)} %`;
};
const times = (logit) => `× ${Math.exp(logit).toFixed(2)}`;
const modelBlock = (output, model) => {
  const texts = details.texts, rows = [], all = [];
  for (let i = 0; i < model.r.length; i += 2) all.push([texts[model.r[i]], model.r[i + 1]]);
  if (model.n) all.push([`${model.n} weaker ${model.n === 1 ? "reason" : "reasons"} together`, model.s]);
  const most = Math.max(...all.map((pair) => Math.abs(pair[1])), 1e-9);
  const [title, end] = output === "churn" ? details.risk : TITLES[output];
  rows.push(term("Start: base rate of all accounts", null, percent(model.b)));
  let sum = model.b;
  for (const [text, value] of all) {
    const width = 48 * Math.abs(value) / most;
    sum += value;
    rows.push(term(text, bar([
      ["rect", { class: value > 0 ? "raise" : "lower", x: `${value > 0 ? 50 : 50 - width}%`, y: 1, width: `${width}%`, height: 10 }],
      ["line", { class: "mid", x1: "50%", x2: "50%", y1: 0, y2: 12 }],
    ]), `${value > 0 ? "↑" : "↓"} ${times(value)}`));
  }
  rows.push(term(end, null, percent(sum), "sum"));
  return block(title, rows, "↑ raises the odds, ↓ lowers them; × 2 doubles them.");
};

const changeBlock = (numbers) => {
  const texts = details.texts, rows = [];
  let most = 0;
  for (let i = 0; i < numbers.length; i += 2) most = Math.max(most, Math.abs(numbers[i + 1]));
  for (let i = 0; i < numbers.length; i += 2) {
    const value = numbers[i + 1], width = 48 * Math.abs(value) / (most || 1);
    rows.push(term(texts[numbers[i]], bar([
      ["rect", { class: value > 0 ? "lower" : "raise", x: `${value > 0 ? 50 : 50 - width}%`, y: 1, width: `${width}%`, height: 10 }],
      ["line", { class: "mid", x1: "50%", x2: "50%", y1: 0, y2: 12 }],
    ]), `${value > 0 ? "+" : ""}${number(value, 1)}`));
  }
  return block("What changed since the previous run, in points", rows);
};

const openWith = (body, content) => {
  if (body.querySelector("tr.x")) return;
  const row = make("tr", "x"), cell = make("td");
  cell.colSpan = body.rows[0].cells.length;
  cell.append(content);
  row.append(cell);
  row.hidden = body.querySelector(".o").getAttribute("aria-expanded") !== "true";
  body.append(row);
};
// ---- the line of an account's last scores, from 0 to 100, under score and change ----
const sparkline = (scores) => {
  const step = 60 / Math.max(scores.length - 1, 1);
  const points = scores.flatMap((score, i) => score === null ? [] : [`${(2 + i * step).toFixed(0)},${(18 - 0.16 * score).toFixed(0)}`]);
  if (points.length < 2) return null;
  const svg = draw("svg", { class: "k", "aria-hidden": "true" });
  svg.append(draw("polyline", { points: points.join(" ") }));
  return svg;
};
const drawLines = () => {
  for (const body of document.querySelectorAll("tbody[data-i]")) {
    const scores = details.accounts[Number(body.dataset.i)].l;
    const line = scores && sparkline(scores);
    if (line) body.querySelector(".badge").parentElement.append(line);
  }
};
const openBody = (body) => {
  const account = details.accounts[Number(body.dataset.i)];
  const box = make("div", "open");
  box.append(factsBlock(account));
  if (account.e) box.append(eventsBlock(account.e));
  if (account.d) box.append(changeBlock(account.d));
  if (account.h) box.append(healthBlock(account.h));
  for (const [output, model] of Object.entries(account.m || {})) box.append(modelBlock(output, model));
  openWith(body, box);
};
const toggle = (button) => {
  const body = button.closest("tbody");
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  const drawn = body.querySelector("tr.x");
  if (drawn) drawn.hidden = isOpen;
  else whenLoaded().then(() => openBody(body), () => openWith(body, make("p", "none", "This browser is too old to open the details.")));
};
for (const button of document.querySelectorAll(".o")) button.setAttribute("aria-expanded", "false");
document.addEventListener("click", (event) => {
  const button = event.target.closest(".o");
  if (button) toggle(button);
});

// ---- sorting: a table's bodies are moved as a whole, so an open row stays with its account ----
const key = (body, column) => {
  const cell = body.rows[0].cells[column];
  if (cell.dataset.s === undefined) return cell.textContent.trim().toLocaleLowerCase();
  return cell.dataset.s === "" ? null : Number(cell.dataset.s);
};
const firstWay = (table, column) => {
  const text = table.tBodies[0].rows[0].cells[column].dataset.s === undefined;
  const soon = table.tHead.rows[0].cells[column].classList.contains("soon");
  return text || soon ? "ascending" : "descending";
};
const sortTable = (table, column, direction) => {
  const bodies = [...table.tBodies].map((body) => [key(body, column), body]);
  bodies.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "number" ? a - b : a.localeCompare(b);
    return direction === "ascending" ? order : -order;
  });
  table.append(...bodies.map((pair) => pair[1]));
  for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
  table.tHead.rows[0].cells[column].setAttribute("aria-sort", direction);
};
for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (head.classList.contains("fixed")) return;
    const button = make("button", "", head.textContent);
    button.type = "button";
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const turned = now === "ascending" ? "descending" : "ascending";
      sortTable(table, column, now ? turned : firstWay(table, column));
    });
    head.replaceChildren(button);
  });
}

// ---- tabs, filter, search; the choice is kept in the address, so a CSM can bookmark it ----
const tabs = [...document.querySelectorAll("[role=tab]")];
const panels = tabs.map((tab) => $(tab.getAttribute("aria-controls")));
const csm = $("csm"), search = $("search"), sort = $("sort");
const found = new Map();
const haystack = (body) => {
  if (!found.has(body)) found.set(body, body.rows[0].textContent.toLocaleLowerCase());
  return found.get(body);
};
let chosen = Math.max(0, panels.findIndex((panel) => panel.querySelector("tbody")));

const remember = () => {
  const parts = [`list=${tabs[chosen].id.slice(4)}`];
  const option = csm.selectedOptions[0];
  if (csm.value !== "") parts.unshift(`csm=${encodeURIComponent(option.dataset.name)}`);
  try { history.replaceState(null, "", `#${parts.join("&")}`); } catch { /* some viewers forbid it */ }
};
const select = (index, focus) => {
  chosen = index;
  tabs.forEach((tab, i) => {
    tab.setAttribute("aria-selected", String(i === index));
    tab.tabIndex = i === index ? 0 : -1;
    panels[i].hidden = i !== index;
  });
  if (focus) tabs[index].focus();
  sort.replaceChildren(new Option("default order", ""));
  const table = panels[index].querySelector("table");
  if (!table) return;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (!head.classList.contains("fixed")) sort.add(new Option(head.textContent.trim(), column));
  });
};
const filter = () => {
  const words = search.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  panels.forEach((panel, i) => {
    let count = 0;
    const bodies = panel.querySelectorAll("table.list>tbody");
    for (const body of bodies) {
      const fits = (csm.value === "" || body.dataset.c === csm.value) && words.every((word) => haystack(body).includes(word));
      body.hidden = !fits;
      count += fits;
    }
    tabs[i].querySelector(".pill").textContent = count;
    const table = panel.querySelector("table.list");
    if (table) {
      table.hidden = count === 0;
      table.nextElementSibling.hidden = count > 0;
    }
    if (i === chosen) $("result").textContent = `${count} of ${bodies.length} rows`;
  });
};
const recall = () => {
  const hash = location.hash.slice(1);
  if (!/(^|&)(csm|list)=/.test(hash)) return;
  const wanted = new URLSearchParams(hash.replace(/\+/g, "%2B"));
  if (wanted.has("csm")) {
    const option = [...csm.options].find((o) => o.dataset.name === wanted.get("csm"));
    csm.value = option ? option.value : "";
    filter();
    $("lists").scrollIntoView();
  }
  const index = tabs.findIndex((tab) => tab.id === `tab-${wanted.get("list")}`);
  if (index >= 0) select(index);
};
tabs.forEach((tab, i) => {
  tab.addEventListener("click", () => { select(i); filter(); remember(); });
  tab.addEventListener("keydown", (event) => {
    const last = tabs.length - 1;
    const to = { ArrowRight: i === last ? 0 : i + 1, ArrowLeft: i === 0 ? last : i - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    select(to, true);
    filter();
    remember();
  });
});
csm.addEventListener("change", () => { filter(); remember(); });
search.addEventListener("input", filter);
sort.addEventListener("change", () => {
  if (sort.value === "") return;
  const table = panels[chosen].querySelector("table"), column = Number(sort.value);
  sortTable(table, column, firstWay(table, column));
});
window.addEventListener("hashchange", recall);
$("tools").hidden = false;
$("tabs").hidden = false;
select(chosen);
filter();
recall();
whenLoaded().then(drawLines, () => {});
})();
