// Plays forward, backward and update on one picture: only texts and classes change, the layout stays.
const PHASES = ["forward", "backward", "update"];
const KEYS = { ArrowRight: "next", ArrowLeft: "back", " ": "play", Home: "first", End: "last" };

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
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
  // Where no script runs there are no controls either.
  box.querySelectorAll("template").forEach((each) => each.replaceWith(each.content));
  const part = Object.fromEntries([...box.querySelectorAll("[data-part]")].map((each) => [each.dataset.part, each]));
  const data = JSON.parse(part.data.textContent), program = (window.tglmPrograms || {})[data.program];
  const { groups, show: see, fit } = box.querySelector(".tglm-view").view, texts = linesOf(groups);
  const { slider, modes, play, predict, speed, say, queue, count, live, note } = part;
  const inputs = [...box.querySelectorAll("[data-field]")], lit = [...part.code.children], code = data.code.of;
  let given, rate, run, frames, at = 0, timer = 0, asked = null;
  const { show, name, computed, product, rule, sum, short, updated } = wording(data, () => run.values);
  const mode = () => run.modes[modes.selectedIndex], own = () => data.modes[modes.selectedIndex];
  const last = () => frames.length - 1, now = () => frames[at];

  function reset() {
    rate = data.rate;
    given = Object.fromEntries(Object.entries(data.given).map(([id, x]) => [id, Number(x)]));
    for (const input of inputs) {
      input.value = input.defaultValue;
      input.ariaInvalid = null;
    }
    compute();
  }

  function edit({ target }) {
    const x = target.valueAsNumber, id = target.dataset.field;
    target.ariaInvalid = x !== x;
    if (x !== x) return;
    if (id === "lr") rate = x;
    else given[id] = x;
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
    const values = {}, grad = {}, edges = {}, wrong = {}, { phase, node } = now(), right = mode().wrong;
    for (const id in run.values) values[id] = show(run.values[id]);
    frames.forEach(({ node: id, made, update }, i) => {
      if (made && i > at) values[id] = "";
      if (update && i <= at) values[id] = show(update.after);
    });
    if (asked && phase !== 1) values[node] = "?";
    if (!phase) return { values, grad, edges, wrong };
    for (const id in mode().start) grad[id] = show(mode().start[id]);
    const visits = frames.slice(0, at + 1).map((frame) => frame.visit).filter(Boolean);
    for (const visit of visits) for (const row of visit.rows) {
      const flows = visit === now().visit, secret = flows && asked;
      grad[row.source] = secret ? "?" : show(row.after);
      edges[row.edge] = { size: row.size, flows, text: secret ? "?" : short(flows ? product(row) : row.amount) };
    }
    for (const id in right) if ((mode().last[id] ?? -1) < visits.length && grad[id] !== "?") {
      wrong[id] = true;
      grad[id] = `${short(grad[id])}, not ${short(right[id])}`;
    }
    return { values, grad, edges, wrong };
  }

  function paint() {
    const { values, grad, edges, wrong } = numbers(), { node, visit, made } = now();
    const gets = visit ? visit.rows.map((row) => row.source) : made ? made[2] : [];
    const most = Math.max(...mode().frames.flatMap((frame) => frame.rows.map((row) => row.size)).filter(Number.isFinite), 0) || 1;
    const mark = (group, classes) => { for (const each in classes) group.classList.toggle(each, !!classes[each]); };
    for (const id in texts) {
      texts[id]("data", values[id]);
      texts[id]("grad", grad[id]);
      mark(groups[id], { now: id === node, gets: gets.includes(id), wrong: wrong[id] });
    }
    for (const i in data.rules) {
      const group = groups[`e${i}`], row = edges[i], text = group.querySelector("text");
      if (text) text.textContent = row ? row.text : "";
      mark(group, { back: row, flows: row && row.flows });
      group.style.setProperty("--part", row ? (Number.isFinite(row.size) ? row.size / most : 1).toFixed(3) : 0);
    }
    if (node) see([node, ...gets], 0.6);
    else fit();
  }

  function draw() {
    paint();
    const { phase, node } = now(), same = own().kind !== "correct" && !Object.keys(mode().wrong).length;
    note.textContent = own().note + (same ? own().same : "");
    slider.max = last();
    slider.value = at;
    slider.ariaValueText = `${PHASES[phase]}, step ${at} of ${last()}`;
    count.textContent = `${at} / ${last()}`;
    play.textContent = timer ? "❚❚ pause" : "▶ play";
    play.ariaPressed = !!timer;
    PHASES.forEach((each, i) => { part[each].ariaCurrent = i === phase && "step"; });
    say.replaceChildren(...(asked ? question() : told()));
    live.textContent = [...say.querySelectorAll("h3, p, td")].map((each) => `${each.dataset.head || ""} ${each.textContent}`.trim()).join("; ");
    const visited = frames.map((frame, i) => (frame.phase === phase && frame.node ? make("span",
      { className: i < at ? "done" : i === at ? "now" : "" }, name(frame.node)) : ""));
    queue.replaceChildren(make("b", {}, `${["computed", "queue", "updated"][phase]} `), ...visited);
    lit.forEach((line, i) => line.classList.toggle("now", code[node] === i));
    if (asked) say.querySelector("input").focus();
  }

  const heading = (text) => make("h3", {}, text), paragraph = (text, className) => make("p", { className: className || "" }, text);

  function told() {
    const { phase, node, visit, made, update } = now(), root = name(data.root), { start, frames: visits, updates } = mode();
    if (made) return lines(run.computed ? run.computed[node] : [computed(made, run.values[node])]);
    if (visit) return handed(visit);
    if (update) return lines(update.lines || [updated(update, rate)]);
    if (phase === 2) return ending(root);
    return phase ? lines([`The gradient of ${root} to itself is ${show(start[data.root])}`, `Nodes in the queue: ${visits.length}.`])
      : lines(["The whole program", `Nodes to compute: ${data.computed.length}, leaves to update: ${updates.length}.`]);
  }

  const lines = ([first, ...rest]) => [heading(first), ...rest.map((text) => paragraph(text))];

  // Narrow pages stack the cells, each with its head before it.
  function table(head, rows) {
    const made = make("table", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text))),
      ...rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell)))));
    made.querySelectorAll("td").forEach((cell) => { cell.dataset.head = head[cell.cellIndex]; });
    return made;
  }

  function handed({ node, gradient, rows }) {
    const nudge = run.nudges[node], off = differs(gradient, run.modes[0].final[node]);
    return [heading(`${name(node)} hands its gradient ${show(gradient)} to its operands`),
      ...(nudge === undefined ? [] : [paragraph(`finite difference of ${name(node)}: ${show(nudge)}`, off && "wrong")]),
      table(["to", "local derivative", "upstream × local = contribution", "its gradient"],
        rows.map((row) => [name(row.source), rule(row), product(row), sum(row, own().kind)])),
      ...rows.map((row) => row.example).filter(Boolean).map((text) => paragraph(text))];
  }

  function ending(root) {
    const { final, wrong, result } = mode(), right = run.modes[0].final;
    return [heading(`${root}: ${show(run.values[data.root])} → ${show(result)} with the updated numbers`),
      table(["", "gradient in this mode", "right gradient", "finite difference"], data.leaves.map((id) =>
        [name(id), make("span", { className: id in wrong ? "wrong" : "" }, show(final[id])), show(right[id]), show(run.nudges[id] ?? "")]))];
  }

  // What is asked of a frame: one number, with all that it takes to find it.
  function questionOf({ node, visit, made, update }) {
    if (!program) return (visit ? visit.ask : made && run.asks[node]) || null;
    const row = visit && visit.rows[0];
    const found = made ? { text: `What is ${computed(made)}?`, value: run.values[node] }
      : row ? { text: `What does ${name(row.source)} receive? upstream ${show(row.upstream)}, local derivative ${rule(row)}`, value: row.amount }
        : update ? { text: `What does ${name(node)} become? ${show(update.before)} - ${show(rate)} × ${bracketed(show(update.gradient))}`, value: update.after } : null;
    return found && Number.isFinite(found.value) ? found : null;
  }

  function reveal() {
    asked = null;
    stop();
    draw();
    box.focus();
  }

  function question() {
    const answer = make("input", { inputMode: "decimal", ariaLabel: "your prediction" }), said = make("p", { role: "status" });
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

  function go(step, ask, plays) {
    at = Math.max(0, Math.min(last(), step));
    asked = ask && predict.checked ? questionOf(now()) : null;
    if (!plays || asked || at === last()) stop();
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
      timer = setInterval(() => go(at + 1, true, true), 1400 / speed.value);
    }
    draw();
  }

  // The frame of one of some nodes: the next one in this phase, or in another where this has none.
  function goTo(ids) {
    const all = frames.map((_, i) => i).filter((i) => ids.includes(frames[i].node)), own = all.filter((i) => frames[i].phase === now().phase);
    const list = own.length ? own : all, to = list.find((i) => i > at) ?? list[0];
    if (to === undefined) return false;
    go(to);
    return true;
  }

  const acts = {
    first: () => go(0),
    back: () => go(at - 1),
    play: toggle,
    next: () => (asked ? reveal() : go(at + 1, true)),
    last: () => go(last()),
  };
  PHASES.forEach((each, i) => { acts[each] = () => go(frames.findIndex((frame) => frame.phase === i)); });
  for (const act in acts) part[act].onclick = acts[act];
  slider.oninput = () => go(Number(slider.value));
  modes.onchange = () => { compute(); acts.backward(); };
  speed.onchange = () => { if (timer) { toggle(); toggle(); } };
  predict.onchange = () => { asked = null; draw(); };
  lit.forEach((line, i) => { line.onclick = () => goTo(Object.keys(code).filter((id) => code[id] === i)); });
  inputs.forEach((input) => { input.oninput = edit; });
  if (program) part.reset.onclick = () => { reset(); draw(); };
  box.querySelector(".tglm-view svg").addEventListener("pick", (event) => { if (event.detail && goTo([event.detail])) event.preventDefault(); });

  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    // A notebook around would act on it, too.
    event.stopPropagation();
    const act = acts[KEYS[event.key] || PHASES[event.key - 1]];
    if (!act || event.shiftKey) return;
    const inside = event.target.closest("input, textarea, select, button, summary, a, [contenteditable]");
    if (inside && (event.key === " " || !inside.matches("button, [type=range], [type=checkbox]"))) return;
    event.preventDefault();
    act();
  });
  reset();
  draw();
  new ResizeObserver(paint).observe(box);
}

// For each node a function that writes its number or its gradient into its box.
function linesOf(groups) {
  const found = {};
  for (const id in groups) if (/^v\d/.test(id)) {
    const shape = groups[id].querySelector("rect, polygon, path"), all = [...groups[id].querySelectorAll("text")].reverse();
    const line = {};
    for (const what of ["data", "grad"]) line[what] = all.find((text) => new RegExp(`^${what}\\s`).test(text.textContent));
    found[id] = (what, text) => {
      const element = line[what], told = text ? `${what} ${text}` : "";
      if (!element || element.textContent === told) return;
      element.textContent = told;
      element.removeAttribute("textLength");
      // A number that is longer than any that was expected is squeezed.
      const { width } = shape.getBBox();
      if (width && element.getComputedTextLength() > width - 6) element.setAttribute("textLength", width - 8);
      element.setAttribute("lengthAdjust", "spacingAndGlyphs");
    };
  }
  return found;
}

document.querySelectorAll(".tglm-stepper:not([data-ready])").forEach((box) => {
  box.dataset.ready = "yes";
  start(box);
});
