"use strict";

// What is chosen; an empty set means all.
const chosen = { rows: new Set(), kinds: new Set(), layers: new Set(), years: new Set(), domains: new Set() };
const METADATA = "GLOBAL_ALL_MTD";
const PROFILE = "flairhub use full";
let data = null;
let running = false;

const element = (id) => document.getElementById(id);

function size(bytes) {
  if (bytes === null) return "unknown";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  while (bytes >= 1000 && power < units.length - 1) { bytes /= 1000; power += 1; }
  return `${bytes.toFixed(power && bytes < 100 ? 1 : 0)} ${units[power]}`;
}

function total(archives) {
  return archives.some((each) => each.bytes === null) ? null : archives.reduce((sum, each) => sum + each.bytes, 0);
}

// Layers that fit rows, data types and modalities; null: all.
function layers() {
  if (!chosen.rows.size && !chosen.kinds.size && !chosen.layers.size) return null;
  const ofRows = new Set([...chosen.rows].flatMap((row) => data.rows[row]));
  return Object.keys(data.layers).filter((layer) =>
    (!chosen.rows.size || ofRows.has(layer)) &&
    (!chosen.kinds.size || chosen.kinds.has(data.layers[layer])) &&
    (!chosen.layers.size || chosen.layers.has(layer)));
}

// The layers and what comes along with them: a mask that a chosen series needs.
function withMasks(wanted) {
  if (wanted === null) return null;
  return new Set(wanted.flatMap((layer) => [layer, ...(data.companions[layer] ? [data.companions[layer]] : [])]));
}

function fitting() {
  const wanted = withMasks(layers());
  const years = new Set(data.archives.filter((each) => each.year !== null && inDomainAndYear(each)).map((each) => each.domain));
  return data.archives.filter((each) => {
    if (each.layer === METADATA) return true;
    if (wanted !== null && !wanted.has(each.layer)) return false;
    return each.year === null ? years.has(each.domain) : inDomainAndYear(each);
  });
}

function inDomainAndYear(each) {
  return (!chosen.domains.size || chosen.domains.has(each.domain)) && (!chosen.years.size || chosen.years.has(each.year));
}

function wish() {
  const listed = (set) => (set.size ? [...set].sort() : null);
  const years = listed(chosen.years);
  return { modalities: layers(), domains: listed(chosen.domains), years: years === null ? null : years.map(Number) };
}

function command() {
  const { modalities, domains, years } = wish();
  const rows = chosen.rows.size ? ` --rows ${Object.keys(data.rows).filter((row) => chosen.rows.has(row)).join(",")}` : "";
  const sets = [["modalities", modalities], ["domains", domains], ["years", years]]
    .filter(([, values]) => values !== null)
    .map(([name, values]) => ` --set 'data.subset.${name}=[${values.join(", ")}]'`);
  return `${PROFILE}${rows}${sets.join("")} && flairhub pull`;
}

function chips(group, names) {
  element(group).replaceChildren(...names.map((name) => {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.addEventListener("change", () => toggle(group, name));
    label.append(box, name);
    return label;
  }));
}

function toggle(group, name) {
  if (!chosen[group].delete(name)) chosen[group].add(name);
  draw();
}

function point(domain) {
  const NS = "http://www.w3.org/2000/svg";
  const place = data.places[domain];
  const group = document.createElementNS(NS, "g");
  const circle = document.createElementNS(NS, "circle");
  for (const [name, value] of Object.entries({ cx: place.x, cy: place.y, r: 17, tabindex: 0, role: "checkbox" })) {
    circle.setAttribute(name, value);
  }
  circle.dataset.domain = domain;
  circle.setAttribute("aria-label", `${domain}, ${place.name}`);
  circle.addEventListener("click", () => toggle("domains", domain));
  circle.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle("domains", domain); } });
  const title = document.createElementNS(NS, "title");
  title.textContent = `${domain}, ${place.name}`;
  circle.append(title);
  const text = document.createElementNS(NS, "text");
  text.setAttribute("x", place.x);
  text.setAttribute("y", place.y - 22);
  text.textContent = domain.slice(1).replace(/^0/, "").replace(/(\d{2,3})0(\d\d)$/, "$1+$2");
  group.append(circle, text);
  return group;
}

function row(domain, archives) {
  const line = document.createElement("tr");
  line.dataset.domain = domain;
  const all = data.archives.filter((each) => each.domain === domain && each.year !== null);
  const years = [...new Set(all.map((each) => each.year))].sort().join(", ");
  const here = archives.reduce((sum, each) => sum + each.here, 0);
  const box = document.createElement("input");
  const label = document.createElement("label");
  box.type = "checkbox";
  box.checked = chosen.domains.has(domain);
  box.addEventListener("change", () => toggle("domains", domain));
  label.append(box, ` ${domain} ${data.places[domain] ? data.places[domain].name : ""}`);
  const cells = [label, years, archives.length, archives.length ? size(total(archives)) : "", here ? size(here) : ""];
  line.append(...cells.map((content, column) => {
    const cell = document.createElement("td");
    if (column > 1) cell.className = "n";
    cell.append(content);
    return cell;
  }));
  if (!archives.length) line.className = "out";
  return line;
}

function draw() {
  const fit = fitting();
  const byDomain = Map.groupBy(fit, (each) => each.domain);
  const domains = [...new Set(data.archives.filter((each) => each.domain).map((each) => each.domain))].sort();
  element("domains").replaceChildren(...domains.map((domain) => row(domain, byDomain.get(domain) || [])));
  for (const circle of element("map").querySelectorAll("circle")) {
    const used = byDomain.has(circle.dataset.domain);
    circle.setAttribute("class", used ? "used" : chosen.domains.size ? "" : "none");
    circle.setAttribute("aria-checked", chosen.domains.has(circle.dataset.domain));
  }
  const here = fit.filter((each) => each.here).length;
  const some = fit.some((each) => each.domain);
  element("sum").textContent = some
    ? `${fit.length} archives, ${size(total(fit))}, ${here} of them here`
    : "Nothing fits this choice.";
  element("command").textContent = command();
  element("start").disabled = running || !some;
}

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch(path, options);
  const value = await reply.json().catch(() => ({ message: `status ${reply.status}` }));
  if (!reply.ok) throw new Error(value.message);
  return value;
}

function show(progress) {
  running = progress.state === "running";
  const bar = element("progress");
  if (progress.total === null && running) bar.removeAttribute("value");
  else bar.value = progress.total ? Math.min(progress.bytes / progress.total, 1) : 0;
  const amount = progress.state === "idle" ? "" : ` ${size(progress.bytes)} of ${size(progress.total)}`;
  element("state").textContent = `${progress.state}${amount}${progress.message ? `: ${progress.message}` : ""}`;
  element("state").dataset.state = progress.state;
  element("stop").disabled = !running;
  if (data) element("start").textContent = progress.state === "stopped" || progress.state === "failed" ? "Resume" : "Download";
}

async function refresh() {
  data = await ask("contents");
  draw();
}

async function follow() {
  try {
    const before = running;
    show(await ask("progress"));
    if (before && !running) await refresh();
    if (data) element("start").disabled = running || !fitting().some((each) => each.domain);
  } catch (error) {
    element("state").textContent = `flairhub browse does not answer (${error.message}); is it still running?`;
  }
  setTimeout(follow, running ? 250 : 1500);
}

async function begin() {
  element("start").disabled = true;
  try {
    await ask("start", wish());
    show(await ask("progress"));
  } catch (error) {
    element("state").textContent = error.message;
  }
}

async function open() {
  try {
    data = await ask("contents");
  } catch (error) {
    element("sum").textContent = error.message;
    return;
  }
  const points = Object.values(data.places);
  const [west, east] = [Math.min(...points.map((p) => p.x)) - 60, Math.max(...points.map((p) => p.x)) + 60];
  const [north, south] = [Math.min(...points.map((p) => p.y)) - 70, Math.max(...points.map((p) => p.y)) + 50];
  element("map").setAttribute("viewBox", `${west} ${north} ${east - west} ${south - north}`);
  const known = new Set(data.archives.map((each) => each.domain));
  element("map").replaceChildren(...Object.keys(data.places).filter((domain) => known.has(domain)).map(point));
  chips("rows", Object.keys(data.rows));
  chips("kinds", [...new Set(Object.values(data.layers))]);
  chips("layers", Object.keys(data.layers));
  chips("years", [...new Set(data.archives.map((each) => each.year).filter(Boolean))].sort());
  element("clear").addEventListener("click", () => { chosen.domains.clear(); draw(); });
  element("start").addEventListener("click", begin);
  element("stop").addEventListener("click", async () => show(await ask("stop", {})));
  element("copy").addEventListener("click", () => navigator.clipboard.writeText(element("command").textContent));
  draw();
  follow();
}

open();
