// Plays forward, backward and update on one picture: only texts and classes change, the layout stays.
const PHASES = ["forward", "backward", "update"], SPEEDS = { "½×": 0.5, "1×": 1, "2×": 2, "4×": 4 };
const BUTTONS = [["first", "to the start", "|◀"], ["back", "one step back", "◀ back"], ["play", "play or pause", "▶ play"],
  ["next", "one step on", "step ▶"], ["last", "to the end", "▶|"]];
const KEYS = { ArrowRight: "next", ArrowLeft: "back", " ": "play", Home: "first", End: "last", 1: "forward", 2: "backward", 3: "update" };

// An element; of its properties ``part`` is what the page calls it, and ``label`` what a screen reader does.
function make(tag, { part, label, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  if (part) element.dataset.part = part;
  if (label) element.setAttribute("aria-label", label);
  element.append(...children);
  return element;
}

// What a prediction is taken for: 1 % or the digits that are shown; 0 is only 0.
function agrees(text, value, spec) {
  const x = text.trim() ? Number(text.replace("−", "-").replace(",", ".")) : NaN;
  if (x === 0 || value === 0) return x === value;
  return Math.abs(x - value) <= 0.01 * Math.abs(value) || (x === x && format(x, spec) === format(value, spec));
}

function start(box) {
  const part = (name) => box.querySelector(`[data-part="${name}"]`);
  const data = JSON.parse(part("data").textContent), program = (window.tglmPrograms || {})[data.program];
  const view = box.querySelector(".tglm-view").view, groups = view.groups, texts = linesOf(groups);
  const given = {}, code = data.code.of;
  let rate = data.rate, run, frames, at = 0, timer = 0, asked = null;
  controls();
  const [slider, modes, play, predict, speed, say, queue, count, live, note] =
    ["slider", "modes", "play", "predict", "speed", "say", "queue", "count", "live", "note"].map(part);
  const words = wording(data, () => run.values), { show, name } = words;
  const mode = () => run.modes[modes.selectedIndex], last = () => frames.length - 1, now = () => frames[at];
  const kind = () => data.modes[modes.selectedIndex].kind;

  function controls() {
    const option = (text, i, chosen) => make("option", { selected: i === chosen }, text);
    const button = ([name, label, sign]) => make("button", { type: "button", part: name, label }, sign);
    part("bar").append(
      make("div", { className: "bar" },
        make("span", { className: "phases" }, ...PHASES.map((each, i) => button([each, `${each}: key ${i + 1}`, each]))),
        ...BUTTONS.map(button),
        make("input", { type: "range", part: "slider", label: "step", min: 0, value: 0 }),
        make("span", { className: "count", part: "count" }),
        make("label", {}, "speed ", make("select", { part: "speed" }, ...Object.keys(SPEEDS).map((text, i) => option(text, i, 1)))),
        make("label", {}, "mode ", make("select", { part: "modes" }, ...data.modes.map(({ title }, i) => option(title, i, data.mode)))),
        make("label", {}, make("input", { type: "checkbox", part: "predict" }), " predict, then reveal")),
      make("p", { className: "note", part: "note" }),
      program ? make("div", { className: "bar fields", part: "fields" }) : make("p", { className: "note", part: "why" }, data.why));
    part("words").append(
      make("p", { className: "queue", part: "queue" }),
      make("div", { className: "both" }, make("div", { className: "say", part: "say" }),
        make("ol", { className: "code", part: "code", label: "the program's lines", hidden: !data.code.lines.length },
          ...data.code.lines.map(([number, text]) => make("li", { value: number }, make("button", { type: "button" }, text))))),
      make("p", { className: "note" }, "Keys: → and ← step, space plays, Home and End go to the ends, 1 2 3 to the phases."),
      make("div", { part: "live", className: "live", role: "status", ariaLive: "polite" }));
    if (program) part("fields").append(
      ...data.fields.map((id) => field(data.names[id], data.given[id], (x) => { given[id] = x; })),
      field("lr", rate, (x) => { rate = x; }),
      make("button", { type: "button", part: "reset", onclick: reset }, "reset"));
  }

  function field(label, number, set) {
    const input = make("input", { type: "number", step: "any", defaultValue: String(Number(number)) });
    input.oninput = () => {
      const x = input.valueAsNumber;
      input.setAttribute("aria-invalid", String(x !== x));
      if (x === x) { set(x); compute(); draw(); }
    };
    return make("label", {}, `${label} `, input);
  }

  function reset() {
    part("fields").querySelectorAll("input").forEach((input) => { input.value = input.defaultValue; input.removeAttribute("aria-invalid"); });
    rate = data.rate;
    for (const id in data.given) given[id] = Number(data.given[id]);
    compute();
    draw();
  }

  function compute() {
    run = program ? passes(data, program, given, rate) : data.recorded;
    const { frames: visits, updates } = mode();
    frames = [{ phase: 0 }, ...data.computed.map((made) => ({ phase: 0, node: made[0], made })),
      { phase: 1 }, ...visits.map((visit) => ({ phase: 1, node: visit.node, visit })),
      ...updates.map((update) => ({ phase: 2, node: update.node, update })), { phase: 2 }];
    at = Math.min(at, last());
    asked = null;
  }

  // What is in each box and on each edge by now.
  function numbers() {
    const data_ = {}, grad = {}, edges = {}, wrong = {}, { phase, node } = now(), secret = (id, text) => (asked && id === node ? "?" : text);
    for (const id in run.values) data_[id] = show(run.values[id]);
    if (!phase) {
      frames.forEach((frame, i) => { if (!frame.phase && i > at) data_[frame.node] = ""; });
      if (node) data_[node] = secret(node, data_[node]);
      return { data: data_, grad, edges, wrong };
    }
    for (const id in mode().start) grad[id] = show(mode().start[id]);
    const visits = frames.slice(0, at + 1).filter((frame) => frame.visit).map((frame) => frame.visit);
    for (const visit of visits) for (const row of visit.rows) {
      const open = !asked || visit !== now().visit;
      grad[row.source] = open ? show(row.after) : "?";
      edges[row.edge] = { ...row, now: visit === now().visit, text: open ? (visit === now().visit ? words.short(words.product(row)) : words.short(row.amount)) : "?" };
    }
    for (const id in mode().wrong) if ((mode().last[id] ?? -1) < visits.length && grad[id] !== "?") {
      wrong[id] = true;
      grad[id] = `${words.short(grad[id])}, not ${words.short(mode().wrong[id])}`;
    }
    for (const { update } of frames.slice(0, at + 1)) if (update) data_[update.node] = secret(update.node, show(update.after));
    return { data: data_, grad, edges, wrong };
  }

  function paint() {
    const found = numbers(), { phase, node, visit, made } = now();
    const gets = visit ? visit.rows.map((row) => row.source) : made ? made[2] : [];
    const most = Math.max(...mode().frames.flatMap((frame) => frame.rows.map((row) => row.size)).filter(Number.isFinite), 0) || 1;
    for (const id in texts) {
      texts[id]("data", found.data[id]);
      texts[id]("grad", found.grad[id] ?? "");
      const list = groups[id].classList;
      list.toggle("now", id === node);
      list.toggle("gets", gets.includes(id));
      list.toggle("wrong", id in found.wrong);
    }
    for (const i in data.rules) {
      const group = groups[`e${i}`], row = found.edges[i], text = group.querySelector("text"), list = group.classList;
      if (text) text.textContent = row ? row.text : "";
      list.toggle("back", Boolean(row));
      list.toggle("flows", Boolean(row && row.now));
      group.style.setProperty("--part", row ? (Number.isFinite(row.size) ? row.size / most : 1).toFixed(3) : 0);
    }
    if (node) view.show([node, ...gets].filter((id) => groups[id]), 0.6);
    else view.fit();
  }

  function draw() {
    paint();
    const { phase, node, visit } = now(), own = data.modes[modes.selectedIndex], first = frames.findIndex((frame) => frame.phase === phase);
    const same = own.kind !== "correct" && !Object.keys(mode().wrong).length;
    note.textContent = own.note + (same ? ` Here it changes nothing: ${own.same}the gradients are right all the same.` : "");
    slider.max = last();
    slider.value = at;
    slider.setAttribute("aria-valuetext", `${PHASES[phase]}, step ${at} of ${last()}`);
    count.textContent = `${at} / ${last()}`;
    play.textContent = timer ? "❚❚ pause" : "▶ play";
    play.setAttribute("aria-pressed", String(Boolean(timer)));
    PHASES.forEach((each, i) => part(each).setAttribute("aria-current", i === phase ? "step" : "false"));
    const said = asked ? question() : told();
    say.replaceChildren(...said);
    live.textContent = [...say.children].map((each) => each.dataset.speech || each.textContent).join(" ");
    queue.replaceChildren(make("b", {}, `${["computed", "queue", "updated"][phase]} `), ...frames.slice(first).filter((frame) => frame.phase === phase && frame.node)
      .map((frame) => make("span", { className: frames.indexOf(frame) < at ? "done" : frame === now() ? "now" : "" }, name(frame.node))));
    part("code").querySelectorAll("li").forEach((line, i) => line.classList.toggle("now", node in code && code[node] === i));
    if (asked) say.querySelector("input").focus();
  }

  const heading = (text) => make("h3", {}, text), paragraph = (text, className = "") => make("p", { className }, text);
  const many = (count, what, rest) => `${count} ${what}${count === 1 ? "" : "s"} ${count === 1 ? rest.replace(/^are/, "is").replace(/^wait/, "waits") : rest}`;

  function told() {
    const { phase, node, visit, made, update } = now(), root = name(data.root);
    if (made) return lines(words.computed(made, run.values[node]), (run.examples || {})[node]);
    if (visit) return handed(visit);
    if (update) return lines(words.update(update, rate));
    if (phase === 2) return ending(root);
    if (phase === 1) return [heading(`The gradient of ${root} to itself is ${show(mode().start[data.root])}`), paragraph(many(mode().frames.length, "node", "wait in the queue."))];
    return [heading("The whole program"), paragraph(`${many(data.computed.length, "node", "are computed")}, then the gradient flows back, then ${many(mode().updates.length, "leaf", "are updated.").replace("leafs", "leaves")}`)];
  }

  const lines = ([first, ...rest], example) => [heading(first), ...rest.map((text) => paragraph(text)), ...(example ? [paragraph(example, "example")] : [])];

  function table(head, rows) {
    const cells = (row) => row.map((cell, i) => Object.assign(cell instanceof Node ? cell : make("td", {}, cell), { title: "" })).map((cell, i) => { cell.dataset.head = head[i]; return cell; });
    return make("table", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text))), ...rows.map((row) => make("tr", {}, ...cells(row))));
  }

  function handed(visit) {
    const id = visit.node, nudge = run.nudges[id], off = id in mode().wrong || differs(visit.gradient, run.modes[0].final[id]);
    const made = table(["to", "local derivative", "upstream × local = contribution", "its gradient"],
      visit.rows.map((row) => [name(row.source), words.rule(row), words.product(row), words.sum(row, kind())]));
    made.dataset.speech = visit.rows.map((row) => `To ${name(row.source)}: ${words.product(row)}; its gradient is ${show(row.after)}.`).join(" ");
    return [heading(`${name(id)} hands its gradient ${show(visit.gradient)} to its operands`),
      ...(nudge === undefined ? [] : [paragraph(`finite difference of ${name(id)}: ${show(nudge)}`, off ? "wrong" : "")]), made,
      ...visit.rows.filter((row) => row.example).map((row) => paragraph(row.example, "example"))];
  }

  function ending(root) {
    const { final, wrong, result } = mode(), title = `${root}: ${show(run.values[data.root])} → ${show(result)} with the updated numbers`;
    return [heading(title), table(["", "gradient in this mode", "right gradient", "finite difference"], data.leaves.map((id) =>
      [name(id), make("td", { className: id in wrong ? "wrong" : "" }, show(final[id])), show(run.modes[0].final[id]), show(run.nudges[id] ?? "")]))];
  }

  // What is asked of a frame: one number, with all that it takes to find it.
  function questionOf({ node, visit, made, update }) {
    if (!program) return (visit ? visit.ask : made && (run.asks || {})[node]) || null;
    const row = visit && visit.rows[0];
    const found = made ? { text: `What is ${words.computed(made)}?`, value: run.values[node] }
      : row ? { text: `What does ${name(row.source)} receive? upstream ${show(row.upstream)}, local derivative ${words.rule(row)}`, value: row.amount }
        : update ? { text: `What does ${name(node)} become? ${show(update.before)} - ${show(rate)} × ${bracketed(show(update.gradient))}`, value: update.after } : null;
    return found && Number.isFinite(found.value) ? found : null;
  }

  function question() {
    const answer = make("input", { type: "text", inputMode: "decimal", label: "your prediction" }), said = paragraph("");
    said.setAttribute("role", "status");
    const reveal = () => { asked = null; draw(); box.focus(); };
    answer.onkeydown = (event) => {
      if (event.key === "Escape") reveal();
      if (event.key !== "Enter") return;
      if (agrees(answer.value, asked.value, data.fmt)) {
        reveal();
        say.prepend(paragraph(`✓ ${answer.value} is right`));
      } else {
        said.textContent = "Not this; try again, or reveal.";
        answer.select();
      }
    };
    return [heading(asked.text), make("p", {}, answer, " ", make("button", { type: "button", onclick: reveal }, "reveal")), said];
  }

  function go(step, ask) {
    at = Math.max(0, Math.min(last(), step));
    asked = ask && predict.checked ? questionOf(now()) : null;
    if (asked || at === last()) stop();
    draw();
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
  }

  function toggle() {
    if (timer) stop();
    else {
      if (at === last()) at = 0;
      timer = setInterval(() => go(at + 1, true), 1400 / SPEEDS[speed.value]);
    }
    draw();
  }

  // The frame of one of some nodes: the next one in this phase, or in another where this has none.
  function goTo(ids) {
    const all = frames.map((_, i) => i).filter((i) => ids.includes(frames[i].node)), own = all.filter((i) => frames[i].phase === now().phase);
    const list = own.length ? own : all, to = list.find((i) => i > at) ?? list[0];
    if (to === undefined) return false;
    stop();
    go(to);
    return true;
  }

  const acts = {
    first: () => { stop(); go(0); },
    back: () => { stop(); go(at - 1); },
    play: toggle,
    next: () => { stop(); if (asked) { asked = null; draw(); box.focus(); } else go(at + 1, true); },
    last: () => { stop(); go(last()); },
  };
  PHASES.forEach((each, i) => { acts[each] = () => { stop(); go(frames.findIndex((frame) => frame.phase === i)); }; });
  for (const act in acts) part(act).onclick = acts[act];
  slider.oninput = () => { stop(); go(Number(slider.value)); };
  modes.onchange = () => { stop(); compute(); acts.backward(); };
  speed.onchange = () => { if (timer) { toggle(); toggle(); } };
  predict.onchange = () => { asked = null; draw(); };
  part("code").querySelectorAll("button").forEach((line, i) => { line.onclick = () => goTo(Object.keys(code).filter((id) => code[id] === i)); });
  box.querySelector(".tglm-view svg").addEventListener("pick", (event) => { if (event.detail && goTo([event.detail])) event.preventDefault(); });

  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    event.stopPropagation(); // a notebook around would act on it, too
    if (!(event.key in KEYS) || event.shiftKey) return;
    const inside = event.target.closest("input, textarea, select, button, summary, a, [contenteditable]");
    if (inside && (event.key === " " || !inside.matches("button, [type=range], [type=checkbox]"))) return;
    event.preventDefault();
    acts[KEYS[event.key]]();
  });
  for (const id in data.given) given[id] = Number(data.given[id]);
  arrowsOf(groups, data.rules);
  compute();
  draw();
  new ResizeObserver(() => paint()).observe(box);
}

// For each node a function that writes its number or its gradient into its box, and into its tooltip.
function linesOf(groups) {
  const found = {};
  for (const id in groups) if (/^v\d/.test(id)) {
    const group = groups[id], title = group.querySelector("title"), all = [...group.querySelectorAll("text")].reverse();
    const base = title.textContent.split("\n").filter((line) => !/^(data|grad) /.test(line)), told = {};
    const line = Object.fromEntries(["data", "grad"].map((what) => [what, all.find((text) => text.textContent.startsWith(what) && /^....\s/.test(text.textContent))]));
    found[id] = (what, text) => {
      told[what] = text && `${what} ${text}`;
      title.textContent = [...base, told.data, told.grad].filter(Boolean).join("\n");
      const element = line[what], shape = group.querySelector("rect, polygon, path").getBBox();
      if (!element || element.textContent === told[what]) return;
      element.textContent = told[what];
      element.removeAttribute("textLength");
      // A number that is longer than any that was expected is squeezed.
      if (shape.width && element.getComputedTextLength() > shape.width - 6) element.setAttribute("textLength", shape.width - 8);
      element.setAttribute("lengthAdjust", "spacingAndGlyphs");
    };
  }
  return found;
}

// An arrow head at the beginning of each edge, for what flows back along it.
function arrowsOf(groups, edges) {
  for (const i in edges) {
    const group = groups[`e${i}`], path = group.querySelector("path"), title = group.querySelector("title");
    const [x, y, ...rest] = path.getAttribute("d").match(/-?\d+(\.\d+)?/g).map(Number);
    let [dx, dy] = [rest[0] - x, rest[1] - y];
    for (let k = 2; k + 1 < rest.length && Math.hypot(dx, dy) < 1; k += 2) [dx, dy] = [rest[k] - x, rest[k + 1] - y];
    const size = Math.hypot(dx, dy) || 1, [u, v] = [dx / size, dy / size];
    const head = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
    head.setAttribute("class", "head");
    head.setAttribute("points", [[x, y], [x + 9 * u - 4.5 * v, y + 9 * v + 4.5 * u], [x + 9 * u + 4.5 * v, y + 9 * v - 4.5 * u]].map((p) => p.map((n) => n.toFixed(1)).join()).join(" "));
    path.after(head);
    if (title) title.remove();
  }
}

document.querySelectorAll(".tglm-stepper:not([data-ready])").forEach((box) => {
  box.dataset.ready = "yes";
  start(box);
});
