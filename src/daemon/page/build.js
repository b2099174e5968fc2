// One build of the page: its risk curve, the lines that moved it, and what a person says about it.
"use strict";

const svgNames = "http://www.w3.org/2000/svg";
let shownBuild = null;

function shape(name, attributes, parent) {
  const node = document.createElementNS(svgNames, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (parent) parent.append(node);
  return node;
}

// Probability over the time since the build's start, its threshold, and a mark where it ended.
function curve(story) {
  const start = Date.parse(story.build.started_at);
  const points = story.predictions.map((p) => [(Date.parse(p.known_at) - start) / 1000, p.failure_probability]).filter(([s, p]) => Number.isFinite(s) && p !== null);
  const end = story.build.duration_ms === null ? NaN : story.build.duration_ms / 1000;
  const wide = Math.max(1, Number.isFinite(end) ? end : 0, ...points.map(([s]) => s));
  const x = (s) => (40 + 550 * s / wide).toFixed(1);
  const y = (p) => (130 - 120 * p).toFixed(1);
  const svg = shape("svg", { viewBox: "0 0 600 150", class: "curve", role: "img" });
  shape("title", {}, svg).textContent = `risk of failure over ${duration(wide)}`;
  for (const p of [0, 0.5, 1]) {
    shape("line", { x1: 40, x2: 590, y1: y(p), y2: y(p), class: "grid" }, svg);
    shape("text", { x: 4, y: Number(y(p)) + 4 }, svg).textContent = `${p * 100} %`;
  }
  const last = story.predictions[story.predictions.length - 1];
  if (last) shape("line", { x1: 40, x2: 590, y1: y(last.threshold), y2: y(last.threshold), class: "threshold" }, svg);
  if (Number.isFinite(end)) shape("line", { x1: x(end), x2: x(end), y1: y(0), y2: y(1), class: "end" }, svg);
  if (points.length > 0) shape("polyline", { points: points.map(([s, p], i) => `${i > 0 ? `${x(s)},${y(points[i - 1][1])} ` : ""}${x(s)},${y(p)}`).join(" "), class: "risk-line" }, svg);
  shape("text", { x: 540, y: 148 }, svg).textContent = duration(wide);
  return svg;
}

async function say(word) {
  const token = byId("token").value;
  const answer = await fetch(`/api/v1/builds/${encodeURIComponent(shownBuild)}/verdict`, { method: "POST", headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` }, body: JSON.stringify(word) });
  const body = await answer.json();
  byId("said").textContent = answer.ok ? "kept" : body.error.message;
  byId("said").className = answer.ok ? "good" : "bad";
  if (answer.ok) await showBuild(shownBuild);
}

function button(text, label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

function drawStory(story) {
  const last = story.predictions[story.predictions.length - 1];
  byId("h-build").textContent = `${story.build.jenkins_job} #${story.build.number}: ${words(story.build.result || story.build.state)}`;
  const lead = story.alarm && story.alarm.lead_s !== null ? `, ${duration(story.alarm.lead_s)} before its end` : "";
  byId("alarm").textContent = story.alarm ? `alarmed at ${clock(story.alarm.first_at)}${lead}` : "never alarmed while it ran";
  byId("curve").replaceChildren(curve(story));
  fill("evidence", last ? last.evidence : [], (row, e) => {
    cell(row, e.line);
    cell(row, e.text, "line");
    cell(row, e.weight.toFixed(1));
    const both = document.createElement("span");
    both.append(button("it tells", `line ${e.line} shows what is wrong`, () => say({ line: e.line, telling: true })), button("it does not", `line ${e.line} does not show what is wrong`, () => say({ line: e.line, telling: false })));
    cell(row, both);
  }, 4, "no line speaks for failing");
  const causes = byId("cause");
  if (causes.options.length === 0 && last) for (const name of Object.keys(last.causes)) causes.add(new Option(words(name), name));
  fill("verdicts", story.verdicts, (row, v) => {
    cell(row, clock(v.at));
    cell(row, v.actor);
    cell(row, [v.cause === null ? "" : words(v.cause), v.line === null ? "" : `line ${v.line} ${v.telling ? "tells" : "does not tell"}`].filter(Boolean).join(", "));
  }, 3, "nobody has said anything yet");
  byId("build").hidden = false;
}

async function showBuild(id) {
  shownBuild = id;
  history.replaceState(null, "", `#${encodeURIComponent(id)}`);
  drawStory(await get(`/api/v1/builds/${encodeURIComponent(id)}`));
}

byId("say").addEventListener("click", () => say({ cause: byId("cause").value }));
// A link to this page may name the build behind a #.
if (location.hash.length > 1) showBuild(decodeURIComponent(location.hash.slice(1)));
