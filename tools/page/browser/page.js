// The page itself: takes what the server sends, keeps as much of it as is shown, and shows it.
//
// Promises: text and never HTML, whatever a mote names its sensors; one drawing for however many changes came since the last; no list grows beyond what its
// limit says, so that a page can stay open; each state says in words what it is. Never: asks anybody but the server that it came from.

const RECORDS_MAX = 200;
const RECORDS_SHOWN_MAX = 25;
const HEADERS_MAX = 40;
const NOTES_MAX = 60;
/** With more boards than this each is told in fewer words. */
const FEW_BOARDS = 12;
/** Two samples farther apart than so many times the usual distance have a gap between them. */
const GAP_TIMES = 2.5;
/** Nothing was heard for so long: the server sends a beat each five seconds. */
const SILENT_MS = 12_000;
const PLOT_HEIGHT_PX = 170;

const by = (id) => document.getElementById(id);
const token = document.querySelector("meta[name=token]").content;
const state = {
  facts: undefined,
  boards: new Map(),
  records: new Map(),
  headers: new Map(),
  notes: new Map(),
  validators: undefined,
  troubles: [],
  faults: undefined,
  /** How far the server's clock is ahead of this one. */
  aheadMs: 0,
};

// ---- small things

/** An element with attributes and children; texts stay texts. */
function el(name, attributes = {}, ...children) {
  const made =
    name === "svg" || SVG.has(name) ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}
const SVG = new Set(["rect", "line", "path", "title"]);
const show = (id, is) => {
  by(id).hidden = !is;
};
const say = (id, text) => {
  if (by(id).textContent !== text) by(id).textContent = text;
};
const short = (hex) => {
  const text = hex.startsWith("0x") ? hex : `0x${hex}`;
  return text.length <= 14 ? text : `${text.slice(0, 6)}…${text.slice(-4)}`;
};
const count = (value) => value.toLocaleString("en");
const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");
const nowS = () => (Date.now() + state.aheadMs) / 1000;
const whose = ({ board, mote }) => (board > 0 ? `mote ${board}` : short(mote));
const trim = (map, max) => {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
};

/** Puts rows in order into a parent, each made anew only where its entry is another one than before. */
function fill(parent, entries, keyOf, make) {
  const before = new Map([...parent.children].map((row) => [row.dataset.key, row]));
  const rows = entries.map((entry) => {
    const key = String(keyOf(entry));
    const old = before.get(key);
    if (old !== undefined && old.entry === entry) return old;
    const row = make(entry);
    row.dataset.key = key;
    row.entry = entry;
    return row;
  });
  const stays = new Set(rows);
  for (const row of [...parent.children]) if (!stays.has(row)) row.remove();
  rows.forEach((row, i) => {
    if (parent.children[i] !== row) parent.insertBefore(row, parent.children[i] ?? null);
  });
}

// ---- what is shown

const TIME_WORDS = ["unknown", "own clock", "by NTP", "bounded by a header"];

const ageOf = (timeS) => `${count(Math.max(0, Math.round(nowS() - timeS)))} s old`;

function boardRow(board) {
  const { id, power, address, head, alarm, waiting, fits, heap, proven, registry, timeQuality, refusals, online, lastSeq } =
    board;
  const isAlarmed = alarm !== undefined && alarm !== "none";
  const isOut = [proven?.status, registry?.status].some(
    (status) => status === "quarantined" || status === "revoked" || status === "suspended",
  );
  const powerWords = {
    starting: ["starting", ""],
    on: online === false ? ["on, not connected", "warn"] : ["on", "good"],
    dark: ["no power", "warn"],
    restarting: ["restarting", "warn"],
  }[power];
  const pairs = [
    [
      "Head",
      head === undefined
        ? "none verified yet"
        : el("span", {}, `#${count(head.number)}, `, el("span", { class: "age", "data-s": head.timeS }, ageOf(head.timeS))),
    ],
    ["Time", TIME_WORDS[timeQuality] ?? "unknown"],
    ["Journal", journalOf(id, waiting, fits)],
    [
      "Alarm",
      alarm === undefined
        ? "–"
        : el("span", { class: isAlarmed ? "bad" : "" }, isAlarmed ? (ALARM_WORDS[alarm] ?? alarm) : "none"),
    ],
    ["Registry", registryOf(proven, registry), "extra"],
    ["Heap", heap === undefined ? heapWords() : `${count(heap.peakBytes)} of ${count(heap.ofBytes)} bytes at most`, "extra"],
    ["Refused", refusals === 0 ? "nothing" : refusals === 1 ? "1 message" : `${count(refusals)} messages`, "extra"],
    ["Signed", lastSeq === undefined ? "nothing yet" : `seq ${count(lastSeq)}`, "extra"],
    ["Key", address === undefined ? "not told yet" : el("span", { class: "mono", title: address }, short(address)), "extra"],
  ];
  return el(
    "li",
    {
      class: `board ${power === "on" && online === false ? "dark" : power} ${isAlarmed || isOut ? "wrong" : ""}`,
      "aria-label": `mote ${id}`,
    },
    el("h3", {}, `mote ${id}`, el("span", { class: powerWords[1] }, powerWords[0])),
    el(
      "dl",
      {},
      ...pairs.flatMap(([name, value, extra = ""]) => [el("dt", { class: extra }, name), el("dd", { class: extra }, value)]),
    ),
  );
}

const ALARM_WORDS = {
  fork: "the chain has forked: head frozen",
  "checkpoint-expired": "its checkpoint has expired",
  stale: "no new headers",
  revoked: "settled blocks were left",
};

function heapWords() {
  const where = state.facts?.engine ?? "";
  return where.startsWith("XS") ? "told when it ends" : "not measured on Node";
}

function journalOf(id, waiting, fits) {
  if (waiting === undefined) return "–";
  if (fits === undefined) return `${count(waiting)} wait`;
  const meter = el("meter", {
    min: "0",
    max: String(fits),
    value: String(Math.min(waiting, fits)),
    high: String(fits * 0.8),
    "aria-label": `journal of mote ${id}`,
  });
  return el("span", {}, meter, `${count(waiting)} of ~${count(fits)} wait`);
}

/** What the board has proven, and the node's word where that is another one, or the only one. */
function registryOf(proven, registry) {
  if (state.facts?.hasRegistry === false) return "none here";
  if (proven === undefined && registry === undefined) return "not asked yet";
  const word = (status) => (status === "absent" ? "not in it" : status);
  const own = proven === undefined ? undefined : `${word(proven.status)}, proven at #${count(proven.block)}`;
  const node =
    registry === undefined || registry.status === proven?.status ? undefined : `${word(registry.status)}, says the node`;
  const statuses = [proven?.status, registry?.status].filter((status) => status !== undefined && status !== "absent");
  const kind = statuses.length === 0 ? "" : statuses.every((status) => status === "active") ? "good" : "bad";
  return el("span", { class: kind }, [own, node].filter((words) => words !== undefined).join("; "));
}

const CHECK_NAMES = { signature: "signature", chain: "chain", head: "head", anchored: "anchored" };
const CHECK_WORDS = { holds: "holds", fails: "does not hold", waits: "not known yet", off: "not asked for" };

function recordRow(record) {
  const { seq, stream, values, checks, notes } = record;
  const measured =
    values.length === 0
      ? "no measurement"
      : values
          .slice(0, 4)
          .map(({ name, unit, value }) => `${name} ${value} ${unit}`.trim())
          .join(", ");
  const list = el(
    "ul",
    { class: "checks" },
    ...Object.entries(CHECK_NAMES).map(([name, word]) =>
      el(
        "li",
        { class: checks[name], "aria-label": `${word}: ${CHECK_WORDS[checks[name]]}`, title: CHECK_WORDS[checks[name]] },
        word,
      ),
    ),
  );
  const cell = el("td", {}, list);
  if (notes.length > 0) cell.append(el("div", { class: "warn" }, notes.join("; ")));
  return el(
    "tr",
    {},
    el("td", {}, whose(record)),
    el("td", {}, stream === 0 || stream === undefined ? String(seq) : `${seq} (stream ${stream})`),
    el("td", { class: "measured" }, measured),
    cell,
    el("td", { class: "line" }),
  );
}

/** From when to when the lines of all rows go, in seconds: the same for all, so that they can be compared. */
function spanOf(records) {
  const times = records
    .flatMap(({ notBeforeS, notAfter, storedS, timeS }) => [notBeforeS, notAfter?.timeS, storedS, timeS > 0 ? timeS : undefined])
    .filter((time) => time !== undefined);
  if (times.length === 0) return undefined;
  const [from, to] = [Math.min(...times), Math.max(...times, nowS())];
  return { from, to: Math.max(to, from + 1) };
}

const day = (s) => new Date(s * 1000).toLocaleTimeString("en-GB");

function boundsWords({ notBeforeS, notAfter, storedS, timeS, head, timeQuality }) {
  const lower =
    notBeforeS === undefined
      ? head === undefined
        ? "no block bounds it below"
        : `after block #${head.number}`
      : `not before ${day(notBeforeS)} (block #${head?.number})`;
  const upper =
    notAfter === undefined
      ? `not anchored; the collector had it at ${storedS === undefined ? "?" : day(storedS)}`
      : `not after ${day(notAfter.timeS)} (block #${notAfter.block})`;
  const own = timeS > 0 ? `its own clock said ${day(timeS)} (${TIME_WORDS[timeQuality]})` : "it had no time of its own";
  return `${lower}; ${upper}; ${own}`;
}

function boundsLine(record, span) {
  const words = boundsWords(record);
  const svg = el(
    "svg",
    { class: "bounds", viewBox: "0 0 200 18", preserveAspectRatio: "none", role: "img", "aria-label": words },
    el("title", {}, words),
  );
  const x = (s) => Math.min(200, Math.max(0, ((s - span.from) / (span.to - span.from)) * 200));
  svg.append(el("line", { x1: 0, x2: 200, y1: 13, y2: 13 }));
  const { notBeforeS, notAfter, storedS, timeS } = record;
  const bar = (kind, from, to) => el("rect", { class: kind, x: x(from), y: 9, width: Math.max(1.5, x(to) - x(from)), height: 8 });
  if (notBeforeS !== undefined && notAfter !== undefined) svg.append(bar("span", notBeforeS, notAfter.timeS));
  else if (notBeforeS !== undefined && storedS !== undefined)
    svg.append(bar("word", notBeforeS, Math.max(storedS, notBeforeS)), bar("span", notBeforeS, notBeforeS));
  if (timeS > 0) svg.append(el("path", { d: `M${x(timeS) - 2} 1h4l-2 7z` }));
  return svg;
}

function drawRecords() {
  const chosen = Number(by("whose").value);
  const shown = [...state.records.values()]
    .filter(({ board }) => chosen === 0 || board === chosen)
    .slice(-RECORDS_SHOWN_MAX)
    .reverse();
  show("records-none", shown.length === 0);
  show("records-shown", shown.length > 0);
  const body = by("records").tBodies[0];
  fill(body, shown, ({ key }) => key, recordRow);
  const span = spanOf(shown);
  if (span === undefined) return;
  say("axis", `${day(span.from)} – ${day(span.to)}`);
  for (const row of body.rows) row.lastElementChild.replaceChildren(boundsLine(row.entry, span));
}

function drawBoards() {
  const boards = [...state.boards.values()];
  const none = boards.every(({ power, address }) => power === "starting" && address === undefined);
  show("boards-none", none);
  show("boards", !none);
  by("boards").classList.toggle("many", boards.length > FEW_BOARDS);
  const { engine, hasRegistry } = state.facts ?? {};
  fill(
    by("boards"),
    boards.map((board) => ({ ...board, engine, hasRegistry })),
    ({ id }) => id,
    boardRow,
  );
  const on = boards.filter(({ power }) => power === "on").length;
  const alarmed = boards.filter(({ alarm }) => alarm !== undefined && alarm !== "none").length;
  say("boards-sum", `${on} of ${boards.length} on${alarmed > 0 ? `, ${alarmed} with an alarm` : ""}`);
  for (const id of ["broken", "whose", "plotted"]) {
    const select = by(id);
    const known = new Set([...select.options].map(({ value }) => value));
    for (const board of boards)
      if (!known.has(String(board.id))) select.append(el("option", { value: String(board.id) }, `mote ${board.id}`));
  }
}

function headerRow(header) {
  const { hash, number, timeS, sealer, vote, seals, by: verifiers } = header;
  const boards = state.boards.size;
  const isVerified = verifiers.length > 0;
  return el(
    "li",
    {},
    el("b", {}, number === undefined ? "–" : `#${count(number)}`),
    el("span", { class: "mono", title: hash }, short(hash)),
    el("span", { class: "dim" }, day(timeS)),
    el(
      "span",
      { class: isVerified ? "good" : "warn" },
      isVerified ? `verified by ${verifiers.length} of ${boards}` : "announced, verified by nobody",
    ),
    sealer === undefined
      ? undefined
      : el("span", { class: "dim" }, `sealed by ${short(sealer)}${seals === undefined ? "" : `, ${seals} seals`}`),
    vote === undefined ? undefined : el("span", {}, voteWords(vote)),
  );
}

const voteWords = ({ by: voter, account, authorize, block }) =>
  `${short(voter)} votes ${authorize ? "in" : "out"} ${short(account)}, block #${count(block)}`;

function drawChain() {
  const headers = [...state.headers.values()].sort((a, b) => (b.number ?? 0) - (a.number ?? 0) || b.timeS - a.timeS);
  show("headers-none", headers.length === 0);
  fill(by("headers"), headers, ({ hash }) => hash, headerRow);
  const { facts, validators } = state;
  say(
    "chain-name",
    facts?.chain === undefined ? "" : `${facts.chain}${validators === undefined ? "" : `, ${validators.consensus}`}`,
  );
  const list = validators?.list ?? [];
  say(
    "validators-since",
    list.length === 0 ? "" : `As listed at block #${count(validators.sinceBlock)}; what was voted since is below.`,
  );
  show("validators-none", validators !== undefined && list.length === 0);
  fill(by("validators"), list, String, (address) => el("li", { class: "mono", title: address }, short(address)));
  const votes = validators?.votes ?? [];
  show("votes-none", votes.length === 0);
  fill(
    by("votes"),
    votes,
    ({ by: voter, block, account }) => `${voter} ${block} ${account}`,
    (vote) => el("li", {}, voteWords(vote)),
  );
  const entered = [...state.boards.values()].filter(({ registry, proven }) => registry !== undefined || proven !== undefined);
  fill(
    by("registry"),
    entered,
    ({ id }) => id,
    (board) => el("li", {}, `mote ${board.id}: `, registryOf(board.proven, board.registry)),
  );
  show("registry-none", entered.length === 0);
  say(
    "registry-none",
    facts?.hasRegistry === true
      ? "No board has asked for its place yet."
      : "There is no registry on this chain: nobody is enrolled, and nobody quarantined.",
  );
}

function noteRow({ atMs, source, text, isBad }) {
  return el(
    "li",
    {},
    el("time", { datetime: new Date(atMs).toISOString() }, clock(atMs)),
    el("span", {}, `${source}: `, el("span", { class: isBad ? "bad" : "" }, text)),
  );
}

function drawNotes() {
  const notes = [...state.notes.values()].reverse();
  show("notes-none", notes.length === 0);
  fill(by("notes"), notes, ({ id }) => id, noteRow);
}

const PHASE_WORDS = { running: "Running.", ending: "It has ended.", failed: "It has failed:" };

function drawFacts() {
  const { facts, troubles } = state;
  show("amiss", troubles.length > 0 || facts?.phase === "failed");
  const told = facts?.phase === "failed" ? [{ part: "start", text: facts.words }, ...troubles] : troubles;
  fill(
    by("troubles"),
    told,
    ({ part, text }) => `${part} ${text}`,
    ({ text }) => el("li", {}, text),
  );
  if (facts === undefined) return;
  say("version", facts.version);
  if (link.isUp)
    say("phase", facts.phase === "starting" ? `Starting. ${facts.words}` : `${PHASE_WORDS[facts.phase]} ${facts.words}`.trim());
  const rows = [
    ["chain", facts.chain],
    ["node", facts.node],
    ["broker", facts.broker],
    ["collector", facts.collector],
    ["registry", facts.hasRegistry === false ? "none" : facts.fleet],
    ["boards", `${facts.boards} on ${facts.engine}`],
  ].filter(([, value]) => value !== undefined);
  fill(
    by("facts"),
    rows,
    ([name, value]) => `${name} ${value}`,
    ([name, value]) => el("div", {}, el("dt", {}, name), el("dd", { class: value.startsWith("0x") ? "mono" : "" }, value)),
  );
}

// ---- faults

function chosenBoard() {
  return Math.max(1, Number(by("broken").value));
}

function drawFaults() {
  const { faults } = state;
  show("faults-none", faults === undefined);
  if (faults === undefined) return;
  fill(
    by("faults"),
    faults.list,
    ({ name }) => name,
    (fault) =>
      el(
        "div",
        { class: "fault" },
        el("button", { type: "button", "data-fault": fault.name, "aria-describedby": `does-${fault.name}` }, fault.title),
        el("p", { id: `does-${fault.name}` }, fault.unavailable ?? `${fault.does} ${fault.expect}`),
      ),
  );
  for (const button of by("faults").querySelectorAll("button")) {
    const fault = faults.list.find(({ name }) => name === button.dataset.fault);
    // Not `disabled`: the focus would be lost while a fault is under way.
    button.disabled = fault.unavailable !== undefined;
    button.setAttribute("aria-disabled", String(faults.busy || button.disabled));
    button.onclick = () => press(fault);
  }
  const run = faults.runs.at(-1);
  show("run", run !== undefined);
  if (run === undefined) return;
  const title = faults.list.find(({ name }) => name === run.name)?.title ?? run.name;
  const ends = { running: "under way …", done: "done", failed: "ended before its time" };
  say("run-title", `${title}${run.board > 0 ? `, mote ${run.board}` : ""}: ${ends[run.state]}`);
  by("run").dataset.state = run.state;
  by("run").dataset.name = run.name;
  fill(
    by("run-steps"),
    run.steps.map((step, i) => ({ ...step, i })),
    ({ i, atMs }) => `${run.id} ${i} ${atMs}`,
    ({ atMs, text }) => el("li", {}, el("time", { datetime: new Date(atMs).toISOString() }, clock(atMs)), text),
  );
}

function press(fault) {
  if (state.faults?.busy === true) return say("fault-words", "One fault at a time: wait until the one under way is done.");
  if (fault.warning === undefined) return void send(fault);
  say("sure-title", `${fault.title}: mote ${chosenBoard()}?`);
  say("sure-words", fault.warning);
  by("sure-yes").onclick = () => {
    by("sure").close();
    void send(fault);
  };
  by("sure").showModal();
}

async function send({ name, title }) {
  say("fault-words", `${title}: asked for.`);
  try {
    const answer = await fetch(`faults/${name}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-page-token": token },
      body: JSON.stringify({ board: chosenBoard() }),
    });
    say("fault-words", answer.ok ? "" : `${title}: ${(await answer.text()).trim()}`);
  } catch {
    say("fault-words", `${title}: chainmote start does not answer.`);
  }
}

// ---- plots

const plots = { board: 0, series: new Map(), charts: new Map(), library: undefined, pointsMax: 300, asking: 0 };

async function loadSeries() {
  const board = Number(by("plotted").value);
  if (!(board > 0)) return;
  plots.board = board;
  plots.asking += 1;
  const asked = plots.asking;
  try {
    plots.library ??= (await import("/uplot.js")).default;
    const answer = await fetch(`series?board=${board}`);
    if (!answer.ok || asked !== plots.asking) return;
    const { series, pointsMax } = await answer.json();
    plots.pointsMax = pointsMax;
    plots.series = new Map(series.map(({ name, unit, points }) => [`${name} ${unit}`, { name, unit, points }]));
  } catch {
    return; // said by the stream, which has broken as well
  }
  for (const { chart, figure } of plots.charts.values()) {
    chart.destroy();
    figure.remove();
  }
  plots.charts.clear();
  draw("plots");
}

/** Values of a record that was verified since the page asked for those before. */
function addPoints(record) {
  const { board, timeS, seq, boot, values, checks } = record;
  if (board !== plots.board || timeS === 0 || checks.signature !== "holds") return;
  for (const { name, unit, value } of values) {
    const key = `${name} ${unit}`;
    if (!plots.series.has(key) && plots.series.size >= 6) continue;
    const series = plots.series.get(key) ?? { name, unit, points: [] };
    plots.series.set(key, series);
    const { points } = series;
    let at = points.length;
    while (at > 0 && points[at - 1][0] > timeS) at -= 1;
    if (points.slice(Math.max(0, at - 8), at).some(([, known, , whichBoot]) => known === seq && whichBoot === boot)) continue;
    points.splice(at, 0, [timeS, seq, Number(value), boot]);
    if (points.length > plots.pointsMax) points.shift();
  }
  draw("plots");
}

/** The points with a hole wherever something is missing: a number that is absent, or a time that is too long. */
function withGaps(points) {
  const spans = points
    .slice(1)
    .map(([timeS], i) => timeS - points[i][0])
    .sort((a, b) => a - b);
  const usual = Math.max(1, spans[Math.floor(spans.length / 2)] ?? 1);
  const [xs, ys] = [[], []];
  points.forEach(([timeS, , value], i) => {
    const before = points[i - 1];
    if (before !== undefined && timeS - before[0] > Math.max(usual * GAP_TIMES, usual + 1.5)) {
      xs.push((timeS + before[0]) / 2);
      ys.push(null);
    }
    xs.push(timeS);
    ys.push(value);
  });
  return [xs, ys];
}

/** A range with room at its ends, also of one value alone. */
function around(min, max, least) {
  if (min === null || max === null) return [0, 1];
  const room = Math.max(least, (max - min) * 0.05);
  return [min - room, max + room];
}

function chartOf(key, { name, unit }) {
  const figure = el("figure", {}, el("h3", {}, `${name}, ${unit}`));
  const place = el("div", { role: "img" });
  const words = el("figcaption", { class: "dim" });
  figure.append(place, words);
  by("plots").append(figure);
  const axis = {
    stroke: resolved("--dim"),
    grid: { stroke: resolved("--line"), width: 1 },
    ticks: { stroke: resolved("--line"), width: 1 },
    font: "12px system-ui",
  };
  const options = {
    width: Math.max(200, place.clientWidth),
    height: PLOT_HEIGHT_PX,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: { x: { range: (_, min, max) => around(min, max, 30) }, y: { range: (_, min, max) => around(min, max, 0.5) } },
    series: [
      {},
      { stroke: resolved("--fill"), width: 2, spanGaps: false, points: { show: true, size: 4, fill: resolved("--fill") } },
    ],
    axes: [
      { ...axis, space: 70, values: (_, ticks) => ticks.map(day) },
      { ...axis, size: 54 },
    ],
  };
  const chart = new plots.library(options, [[], []], place);
  const made = { chart, figure, place, words };
  plots.charts.set(key, made);
  return made;
}

/** A colour as a canvas takes it: a custom property still has its light-dark() in it. */
function resolved(variable) {
  const probe = el("span", { class: "probe" });
  probe.style.color = `var(${variable})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function drawPlots() {
  show("plots-none", plots.series.size === 0);
  if (plots.library === undefined) return;
  for (const [key, series] of plots.series) {
    const { chart, place, words } = plots.charts.get(key) ?? chartOf(key, series);
    const data = withGaps(series.points);
    chart.setData(data);
    const gaps = data[1].filter((value) => value === null).length;
    const last = series.points.at(-1);
    const text =
      last === undefined
        ? "no value"
        : `last ${last[2]} ${series.unit} at ${day(last[0])}; ${series.points.length} values, ${gaps === 0 ? "no gap" : gaps === 1 ? "1 gap" : `${gaps} gaps`}`;
    words.textContent = text;
    place.setAttribute("aria-label", `${series.name}: ${text}`);
  }
}

function anew() {
  for (const { chart, figure } of plots.charts.values()) {
    chart.destroy();
    figure.remove();
  }
  plots.charts.clear();
  draw("plots");
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  anew();
});

// ---- drawing

const due = new Set();
let asked = false;
const DRAW = {
  facts: drawFacts,
  boards: drawBoards,
  records: drawRecords,
  chain: drawChain,
  notes: drawNotes,
  faults: drawFaults,
  plots: drawPlots,
};

function draw(...parts) {
  for (const part of parts) due.add(part);
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    const parts = [...due];
    due.clear();
    for (const part of parts) DRAW[part]();
  });
}

function take(change, isAll) {
  if (isAll) for (const map of [state.boards, state.records, state.headers, state.notes]) map.clear();
  state.aheadMs = change.nowMs - Date.now();
  const { facts, boards, records, headers, validators, notes, troubles, faults } = change;
  if (facts !== undefined) {
    state.facts = facts;
    draw("facts", "boards", "chain");
  }
  for (const board of boards ?? []) state.boards.set(board.id, board);
  if (boards !== undefined) draw("boards", "chain");
  for (const record of records ?? []) {
    state.records.set(record.key, record);
    if (!isAll) addPoints(record);
  }
  trim(state.records, RECORDS_MAX);
  if (records !== undefined) draw("records");
  for (const header of headers ?? []) state.headers.set(header.hash, header);
  trim(state.headers, HEADERS_MAX);
  if (validators !== undefined) state.validators = validators;
  if (headers !== undefined || validators !== undefined) draw("chain");
  for (const note of notes ?? []) state.notes.set(note.id, note);
  trim(state.notes, NOTES_MAX);
  if (notes !== undefined) draw("notes");
  if (troubles !== undefined) {
    state.troubles = troubles;
    draw("facts");
  }
  if (faults !== undefined) {
    state.faults = faults;
    draw("faults");
  }
  if (isAll) {
    drawBoards();
    void loadSeries();
  }
}

// ---- the stream

const link = { isUp: false, source: undefined, heardMs: Date.now() };

function heard() {
  link.heardMs = Date.now();
  if (link.isUp) return;
  link.isUp = true;
  document.documentElement.classList.remove("away");
  draw("facts");
}

function away() {
  link.isUp = false;
  document.documentElement.classList.add("away");
  const { phase, words } = state.facts ?? {};
  const known =
    phase === "failed" || phase === "ending"
      ? `${PHASE_WORDS[phase]} ${words}`
      : "No answer from chainmote start: it has ended, or too many pages listen.";
  say("phase", `${known} What is below is what was last heard; it is tried again each few seconds.`);
}

function listen() {
  link.source?.close();
  const source = new EventSource("events");
  link.source = source;
  source.addEventListener("all", ({ data }) => {
    heard();
    take(JSON.parse(data), true);
  });
  source.addEventListener("change", ({ data }) => {
    heard();
    take(JSON.parse(data), false);
  });
  source.addEventListener("beat", heard);
  source.addEventListener("open", heard);
  source.addEventListener("error", () => {
    away();
    // A refusal, unlike a connection that was lost, is final to the browser.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  });
}

by("whose").addEventListener("change", () => {
  const chosen = by("whose").value;
  if (chosen !== "0") {
    by("plotted").value = chosen;
    void loadSeries();
  }
  draw("records");
});
by("plotted").addEventListener("change", () => void loadSeries());
by("sure-no").addEventListener("click", () => by("sure").close());
setInterval(() => {
  if (Date.now() - link.heardMs > SILENT_MS && link.isUp) listen();
  draw("records");
}, 5000);
setInterval(() => {
  for (const age of document.querySelectorAll(".age")) age.textContent = ageOf(Number(age.dataset.s));
}, 1000);
listen();
