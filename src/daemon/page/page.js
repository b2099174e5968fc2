// The page: asks the daemon's API and draws what it answers. No data of its own; build.js shows one build.
"use strict";

const byId = (id) => document.getElementById(id);
const clock = (text) => (text ? text.slice(11, 19) : "–");
const words = (text) => String(text).replaceAll("_", " ");

function cell(row, content, className) {
  const td = row.insertCell();
  if (content instanceof Node) td.append(content);
  else td.textContent = content === null || content === undefined || content === "" ? "–" : content;
  if (className) td.className = className;
  return td;
}

function fill(id, items, draw, columns, empty) {
  const body = document.createElement("tbody");
  body.id = id;
  for (const item of items) draw(body.insertRow(), item);
  if (items.length === 0) {
    const td = cell(body.insertRow(), empty, "quiet");
    td.colSpan = columns;
  }
  byId(id).replaceWith(body);
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function risk(build) {
  if (!build || build.failure_probability === null) return "–";
  const p = build.failure_probability;
  const box = document.createElement("div");
  box.className = "risk";
  const meter = document.createElement("meter");
  Object.assign(meter, { min: 0, max: 1, low: 0.3, high: 0.7, optimum: 0, value: p });
  meter.setAttribute("aria-label", `risk ${Math.round(p * 100)} percent`);
  const text = document.createElement("span");
  text.textContent = `${Math.round(p * 100)} %${build.decision === "failure" ? " – alarm" : ""}`;
  if (build.decision === "failure") text.className = "bad";
  box.append(meter, text);
  return box;
}

const podTroubles = [["pods_crash_looping", "crash loop"], ["pods_image_failing", "image cannot be pulled"], ["pods_oom_killed", "out of memory"], ["pods_unschedulable", "no node takes it"], ["pods_pending", "pending"]];

// "2 / 3, crash loop": what the cluster says about the pipeline's Deployment; a dash where it says nothing.
function pods(c) {
  if (!c) return ["–", "quiet"];
  if (!c.exists) return ["not in the cluster", "warn"];
  if (c.replicas_ready === null) return ["–", "quiet"];
  const trouble = podTroubles.find(([key]) => c[key] > 0);
  const text = `${c.replicas_ready} / ${c.replicas_wanted}${trouble ? `, ${trouble[1]}` : ""}`;
  return [text, trouble ? "bad" : c.replicas_ready < c.replicas_wanted ? "warn" : "good"];
}

// Below one another: what shows, why the case does what it does, and what may not be done.
function lines(...texts) {
  const box = document.createDocumentFragment();
  for (const [text, className] of texts.filter(([text]) => text)) {
    const line = document.createElement("div");
    line.textContent = text;
    if (className) line.className = className;
    box.append(line);
  }
  return box.childNodes.length > 0 ? box : "";
}

function health(p) {
  const c = p.cluster;
  const denied = c && c.not_permitted;
  return lines(
    c && c.symptom && c.symptom.bad ? [`${c.symptom.why}${c.symptom.cause ? ` (${words(c.symptom.cause)})` : ""}`, "bad"] : [""],
    p.scaled && p.scaled.state === "owed" ? [`scaled ${p.scaled.from} → ${p.scaled.to}, taken back when calm`, "quiet"] : [""],
    denied ? [`not permitted: ${denied.actions.map(words).join(", ")} (needs ${denied.missing})`, "warn"] : [""],
  );
}

function caseOf(p) {
  return p.case === null ? "–" : lines([`#${p.case}`], [p.case_reason ? words(p.case_reason) : "", "quiet"]);
}

function release(p) {
  const c = p.cluster;
  if (!c || !c.exists) return p.deployment;
  const text = document.createElement("span");
  const version = c.image ? c.image.slice(c.image.lastIndexOf("/") + 1) : "";
  text.textContent = `${p.deployment}${c.revision === null ? "" : ` rev. ${c.revision}`}${version ? `, ${version}` : ""}: rollout ${words(c.rollout)}${c.template && c.template === c.verified_template ? ", verified" : ""}`;
  text.title = [c.image, c.managed_by ? `managed by ${c.managed_by}` : "", c.autoscaled ? "an autoscaler sets its replicas" : "", c.memory_limit ? `memory limit ${Math.round(c.memory_limit / 1048576)} MiB` : "", c.newest_event ? `${c.newest_event.reason}: ${c.newest_event.message}` : ""].filter(Boolean).join("\n");
  return text;
}

const sourceClass = { ok: "good", stale: "warn", starting: "warn", down: "bad", unauthorized: "bad", not_configured: "quiet" };
const resultClass = { SUCCESS: "good", UNSTABLE: "warn", FAILURE: "bad" };

function drawStatus(s) {
  const mode = byId("mode");
  mode.textContent = s.kill_switch.on ? "stopped by kill switch" : `mode: ${s.acting}`;
  mode.className = `badge ${s.kill_switch.on ? "bad" : s.acting === "auto" ? "good" : "warn"}`;
  const drifts = [...s.drift.signals.filter((d) => d.on).map((d) => words(d.name)), ...s.drift.jobs.map((d) => `alarms of ${d.jenkins_job}`)];
  byId("drift").hidden = drifts.length === 0;
  byId("drift").textContent = `the predictor drifts (${drifts.join(", ")}): it only advises`;
  byId("when").textContent = `up ${duration(s.uptime_s)}, predictor ${s.predictor.name} (${words(s.predictor.state)}), policy ${s.policy.name}, store ${s.store.state}`;
  fill("sources", s.sources, (row, x) => {
    cell(row, x.name);
    cell(row, words(x.state), sourceClass[x.state]);
    cell(row, x.age_s === null ? "never" : `${duration(x.age_s)} ago`);
    cell(row, x.error);
  }, 4, "none configured");
  const order = (p) => (p.case !== null ? 0 : p.build && p.build.state === "running" ? 1 : 2);
  const shown = [...s.pipelines].sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name)).slice(0, 200);
  fill("pipelines", shown, (row, p) => {
    cell(row, p.name);
    cell(row, p.build ? button(`#${p.build.number}`, `show build ${p.build.number} of ${p.name}`, () => showBuild(`${p.jenkins_job}#${p.build.number}`)) : "–");
    const state = p.build ? p.build.result || p.build.state : "–";
    cell(row, words(state), p.build ? resultClass[p.build.result] : "quiet");
    cell(row, risk(p.build));
    cell(row, p.build && p.build.lead_s !== null ? duration(p.build.lead_s) : p.build && p.build.alarmed_at ? `since ${clock(p.build.alarmed_at)}` : "–");
    cell(row, ...pods(p.cluster));
    cell(row, p.cluster && p.cluster.restarts !== null ? p.cluster.restarts : "–", p.cluster && p.cluster.restarts > 0 ? "warn" : "quiet");
    cell(row, release(p));
    cell(row, health(p));
    cell(row, caseOf(p));
  }, 10, "no pipelines found yet");
  byId("pipelines-more").textContent = s.pipelines.length > shown.length ? `${s.pipelines.length - shown.length} more; the API has them all` : "";
  const numbers = byId("numbers");
  numbers.replaceChildren();
  const number = (name, value) => {
    const box = document.createElement("div");
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.textContent = name;
    dd.textContent = value;
    box.append(dt, dd);
    numbers.append(box);
  };
  number("pipelines", s.pipelines.length);
  number("building", s.pipelines.filter((p) => p.build && p.build.state === "running").length);
  number("alarmed", s.pipelines.filter((p) => p.build && p.build.state === "running" && p.build.decision === "failure").length);
  number("found before their end", `${s.early_warning.found} of ${s.early_warning.failed}`);
  number("median lead", duration(s.early_warning.lead_s));
  number("open cases", s.cases.open);
  number("waiting for a person", s.cases.waiting);
}

// A request without an answer is looked up; where nothing tells, it counts as done, and that is said.
function caseState(c) {
  if (c.state === "unknown") return "looking up whether it was done";
  return words(c.state) + (c.unsure ? ", whether a request was done cannot be told" : "");
}

function drawCases(list) {
  fill("cases", list.items.slice(0, 30), (row, c) => {
    cell(row, `#${c.id}`);
    cell(row, c.jenkins_job);
    cell(row, lines([words(c.cause)], [c.symptom, "quiet"]));
    cell(row, caseState(c), c.healed_by === "action" ? "good" : c.state === "closed" ? "quiet" : "warn");
    cell(row, Object.entries(c.tried).filter(([, n]) => n > 0).map(([name, n]) => `${words(name)} × ${n}`).join(", "));
    cell(row, c.reason ? words(c.reason) : "", "quiet");
    cell(row, c.healed_by === "open" ? "–" : words(c.healed_by));
    cell(row, clock(c.opened_at));
    cell(row, duration(c.mttr_s));
  }, 9, "none yet");
}

async function get(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}`);
  return answer.json();
}

let asked = false;
async function refresh() {
  if (asked) return;
  asked = true;
  try {
    const [status, cases] = await Promise.all([get("/api/v1/status"), get("/api/v1/cases?limit=30")]);
    drawStatus(status);
    drawCases(cases);
  } catch (error) {
    byId("mode").textContent = "the daemon does not answer";
    byId("mode").className = "badge bad";
  } finally {
    asked = false;
  }
}

// The feed says that something changed; what is drawn always comes from the API, at most once a second.
let soon = null;
function later() {
  if (soon === null) soon = setTimeout(() => { soon = null; refresh(); }, 1000);
}
const feed = new EventSource("/api/v1/events");
for (const kind of ["record", "build", "prediction", "decision", "case", "action", "source", "kill_switch"]) feed.addEventListener(kind, later);
feed.onerror = later;
refresh();
setInterval(refresh, 15000);
