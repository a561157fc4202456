"use strict";

const COLOURS = ["#1f6fd6", "#d9822b"];
const BEFORE_S = 3;

async function unpacked(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/** The numbers that page_data.packed has packed; null where there is none. */
function numbers({ low, step, steps }) {
  const bytes = Uint8Array.from(atob(steps), (c) => c.charCodeAt(0));
  return Array.from(new Uint16Array(bytes.buffer), (n) => (n === 65535 ? null : low + n * step));
}

function element(name, parent, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

let loaded = null;
function load() {
  loaded ??= (async () => {
    const script = document.createElement("script");
    script.textContent = await unpacked("plotly");
    document.head.append(script);
    return JSON.parse(await unpacked("data"));
  })();
  return loaded;
}

const LAYOUT = {
  margin: { l: 50, r: 10, t: 30, b: 30 },
  font: { family: "system-ui, sans-serif", size: 11 },
  legend: { orientation: "h", y: 1.01, yanchor: "bottom", x: 0 },
  hovermode: "closest",
};
const OPTIONS = { displaylogo: false, responsive: true };

function plot(parent, kind, traces, layout) {
  const box = element("div", parent, "", { class: kind });
  Plotly.newPlot(box, traces, { ...LAYOUT, ...layout }, OPTIONS);
}

function line(name, x, y, colour, more = {}) {
  return { name, x, y, mode: "lines", line: { color: colour, width: 1.6, ...more.line }, ...more.trace };
}

function drawMap(parent, sides) {
  const first = sides.find((side) => side.trace);
  const traces = [];
  if (first) {
    const of = (name) => numbers(first.trace[name]);
    traces.push(line("lanes", of("lanes_x"), of("lanes_y"), "#c9ced4", { line: { width: 1 }, trace: { hoverinfo: "skip" } }));
    traces.push(line("route", of("route_x"), of("route_y"), "#9ad0a9", { line: { width: 7 }, trace: { hoverinfo: "skip" } }));
  } else if (sides[0].route_x) {
    traces.push(line("positions of the route", sides[0].route_x, sides[0].route_y, "#9ad0a9", { line: { width: 4 }, trace: { mode: "lines+markers", hoverinfo: "skip" } }));
  }
  for (const { name, colour, trace, infractions } of sides) {
    if (trace) {
      const times = numbers(trace.time_s).map((time) => `${time.toFixed(1)} s`);
      traces.push(line(name, numbers(trace.x), numbers(trace.y), colour, { line: { width: 2.5 }, trace: { text: times, hoverinfo: "text+name" } }));
    }
    const placed = infractions.filter((one) => one.place);
    if (placed.length) {
      traces.push({
        name: `${name}: infractions`, mode: "markers",
        x: placed.map((one) => one.place[0]), y: placed.map((one) => one.place[1]),
        text: placed.map((one) => one.kind.replaceAll("_", " ")), hoverinfo: "text",
        marker: { color: "#c43c30", size: 11, symbol: "x", line: { color: colour, width: 1 } },
      });
    }
  }
  if (!traces.length) return;
  // CARLA's y points south: turned over, the map is as seen from above.
  plot(parent, "map", traces, {
    dragmode: "pan",
    xaxis: { title: { text: "x, m" }, zeroline: false },
    yaxis: { title: { text: "y, m" }, scaleanchor: "x", autorange: "reversed", zeroline: false },
  });
}

function drawCurves(parent, sides) {
  const driven = sides.filter((side) => side.trace);
  if (!driven.length) return;
  const curves = (columns) => driven.flatMap((side, index) =>
    columns.map(([column, label, shown, scale = 1]) => {
      const y = numbers(side.trace[column]).map((value) => (value === null ? null : value * scale));
      const more = { line: shown, trace: { legendgroup: label } };
      return line(driven.length > 1 ? `${side.name} ${label}` : label, numbers(side.trace.time_s), y, shown.color ?? driven[index].colour, more);
    }));
  const marks = driven.flatMap((side) => side.infractions.filter((one) => one.time !== null).map((one) => (
    { type: "line", x0: one.time, x1: one.time, yref: "paper", y0: 0, y1: 1, line: { color: "#c43c30", width: 1, dash: "dot" } })));
  const seconds = { xaxis: { ticksuffix: " s" }, shapes: marks };
  plot(parent, "plot", curves([["speed_mps", "speed", {}], ["speed_limit_mps", "limit", { dash: "dot", width: 1 }]]), { ...seconds, yaxis: { title: { text: "m/s" } } });
  plot(parent, "plot", curves([["steer", "steer", {}], ["throttle", "throttle", { color: "#2c8a4b" }], ["brake", "brake", { color: "#c43c30" }]]), { ...seconds, yaxis: { title: { text: "control" }, range: [-1.05, 1.05] } });
  plot(parent, "plot", curves([["agent_ms", "agent", {}], ["tick_ms", "whole tick", { dash: "dot", width: 1 }]]), { ...seconds, yaxis: { title: { text: "ms (worst)" } } });
}

function showSide(parent, side, many) {
  if (many) element("h2", parent, side.name, { style: `color: ${side.colour}` });
  element("p", parent, `${side.status}: score ${side.score.toFixed(2)}, ${side.completion.toFixed(1)} % of the route, penalty ${side.penalty.toFixed(3)}`);
  if (side.failure) element("p", parent, side.failure, { class: "warning" });
  if (side.log) {
    const box = element("details", parent);
    element("summary", box, "log");
    element("pre", box, side.log);
  }
  const hasClips = side.infractions.some((one) => one.clip);
  const video = side.video || hasClips ? element("video", parent, "", { controls: "", preload: "metadata" }) : null;
  if (side.video) video.src = side.video;
  const list = element("ul", parent);
  for (const one of side.infractions) {
    const item = element("li", list, one.message);
    if (one.time === null) continue;
    if (!video || !(one.clip || side.video)) {
      item.prepend(`${one.time.toFixed(1)} s: `);
      continue;
    }
    const button = element("button", item, `▶ ${one.time.toFixed(1)} s`, { type: "button" });
    item.prepend(button, " ");
    button.addEventListener("click", () => {
      const wanted = one.clip ?? side.video;
      if (video.getAttribute("src") !== wanted) video.src = wanted;
      if (!one.clip) video.currentTime = Math.max(one.time - BEFORE_S, 0);
      video.play().catch(() => {});
    });
  }
}

async function show(id) {
  const data = await load();
  const parent = document.getElementById("drive");
  parent.replaceChildren();
  const sides = data.runs.flatMap((run, index) =>
    run.drives[id] ? [{ name: run.name, colour: COLOURS[index], ...run.drives[id] }] : []);
  element("h2", parent, `Route ${sides[0].route}`);
  drawMap(parent, sides);
  for (const side of sides) showSide(parent, side, sides.length > 1);
  drawCurves(parent, sides);
  for (const side of sides) {
    const stages = Object.entries(side.stages);
    if (!stages.length) continue;
    const box = element("details", parent);
    element("summary", box, `${side.name}: what a tick takes, ms (median, 95th percentile, worst)`);
    const table = element("table", box);
    for (const [name, values] of stages) {
      const row = element("tr", table);
      for (const text of [name, ...values]) element("td", row, text);
    }
  }
  document.body.dataset.shown = id;
}

/** Driving score against the delay of the controls, where a matrix of disturbances has several. */
async function drawDelays(parent) {
  const curves = Object.entries((await load()).delays);
  if (!curves.length) return;
  const traces = curves.map(([name, points]) => ({
    name, mode: "lines+markers",
    x: points.map((one) => one.delay), y: points.map((one) => one.score),
    error_y: {
      type: "data", symmetric: false, thickness: 1,
      array: points.map((one) => (one.high ?? one.score) - one.score),
      arrayminus: points.map((one) => one.score - (one.low ?? one.score)),
    },
  }));
  plot(parent, "delays", traces, {
    showlegend: traces.length > 1,
    xaxis: { title: { text: "delay of the controls, ms" }, rangemode: "tozero" },
    yaxis: { title: { text: "driving score" }, rangemode: "tozero" },
  });
  document.body.dataset.delays = curves.length;
}

const rows = [...document.querySelectorAll("#drives tbody tr")];
const filters = document.getElementById("filters");

function filter() {
  const wanted = [...new FormData(filters)].filter(([, value]) => value);
  let count = 0;
  for (const row of rows) {
    row.hidden = !wanted.every(([field, value]) => row.dataset[field] === value);
    count += !row.hidden;
  }
  document.getElementById("count").textContent = `${count} of ${rows.length}`;
}

function choose(row) {
  for (const one of rows) one.classList.toggle("chosen", one === row);
  history.replaceState(null, "", `#${row.dataset.id}`);
  show(row.dataset.id);
}

for (const row of rows) {
  row.addEventListener("click", () => choose(row));
  row.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(row); });
}
filters.addEventListener("change", filter);
filter();
const delays = document.getElementById("delays");
if (delays) drawDelays(delays);
const asked = rows.find((row) => `#${row.dataset.id}` === decodeURIComponent(location.hash));
if (asked) choose(asked);
