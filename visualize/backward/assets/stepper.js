// Plays the frames of a backward pass on one picture: only texts and classes change, the layout stays.
(() => {
  "use strict";
  const make = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };

  function start(box) {
    const data = JSON.parse(box.querySelector("script[type='application/json']").textContent);
    const find = (name) => box.querySelector(`[data-part=${name}]`);
    const [slider, modes, play, predict, say, queue, count, live, note] =
      ["slider", "modes", "play", "predict", "say", "queue", "count", "live", "note"].map(find);
    const groups = {};
    box.querySelectorAll("svg g[id]").forEach((g) => { groups[g.id.replace(/^g[0-9a-f]+-/, "")] = g; });
    let at = 0, timer = 0, hidden = false;

    const mode = () => data.modes[modes.selectedIndex];
    const last = () => mode().frames.length + 1;
    const name = (id) => data.names[id];

    function setGradient(id, text) {
      const lines = groups[id].querySelectorAll("text");
      lines[lines.length - 1].textContent = `grad ${text}`;
    }

    function setEdge(i, text) {
      const line = groups[`e${i}`].querySelector("text");
      if (line) line.textContent = text;
    }

    // A picture wider than the page is scrolled to where something happens.
    function center(group) {
      const frame = box.querySelector("figure"), place = group.getBoundingClientRect(), edges = frame.getBoundingClientRect();
      if (place.left < edges.left || place.right > edges.right)
        frame.scrollLeft += place.left + place.width / 2 - (edges.left + edges.width / 2);
    }

    function draw() {
      const { start, frames } = mode();
      for (const id in start) setGradient(id, start[id]);
      for (const id in groups) groups[id].classList.remove("now", "gets", "flows");
      for (const i of data.edges) setEdge(i, "");
      frames.slice(0, at).forEach((frame, k) => {
        const now = k === at - 1;
        if (now) {
          groups[frame.node].classList.add("now");
          center(groups[frame.node]);
        }
        for (const row of frame.rows) {
          const secret = now && hidden;
          setGradient(row.source, secret ? "?" : row.after);
          setEdge(row.edge, secret ? "?" : now ? row.edge_text : row.amount);
          if (now) {
            groups[row.source].classList.add("gets");
            groups[`e${row.edge}`].classList.add("flows");
          }
        }
      });
      slider.max = last();
      slider.value = at;
      slider.setAttribute("aria-valuetext", `step ${at} of ${last()}`);
      count.textContent = `${at} / ${last()}`;
      note.textContent = mode().note;
      play.textContent = timer ? "❚❚ pause" : "▶ play";
      play.setAttribute("aria-pressed", String(!!timer));
      say.replaceChildren(...(at === 0 ? before() : at === last() ? after() : during(frames[at - 1])));
      queue.replaceChildren(make("b", "queue "), ...frames.map((frame, k) =>
        make("span", name(frame.node), k < at - 1 ? "done" : k === at - 1 ? "now" : "")));
      live.textContent = at === 0 ? mode().first : at === last() ? data.end
        : hidden ? `${name(frames[at - 1].node)}: predict what it hands on` : frames[at - 1].speech;
    }

    const before = () => [make("h3", "Before the first step"), make("p", mode().first)];

    function table(head, rows) {
      const made = make("table"), top = make("tr");
      head.forEach((text) => top.append(make("th", text)));
      made.append(top);
      rows.forEach((cells) => {
        const row = make("tr");
        cells.forEach((cell) => row.append(cell instanceof Node ? cell : make("td", cell)));
        made.append(row);
      });
      return made;
    }

    function during(frame) {
      const parts = [make("h3", `${name(frame.node)} hands its gradient ${frame.gradient} to its operands`)];
      if (frame.line) { const p = make("p"); p.append(make("code", frame.line)); parts.push(p); }
      if (frame.nudge) parts.push(make("p", frame.nudge, frame.right ? "" : "wrong"));
      if (hidden) return [...parts, ...question(frame)];
      parts.push(table(["to", "local derivative", "upstream × local = contribution", "its gradient"],
        frame.rows.map((row) => [name(row.source), row.rule, row.text, row.sum])));
      return parts;
    }

    function question(frame) {
      const row = frame.rows[0];
      const asked = make("p", `What does ${name(row.source)} receive? upstream ${row.upstream}, ` +
        `local derivative ${row.rule}: `);
      const answer = make("input"), said = make("p");
      answer.type = "text";
      answer.inputMode = "decimal";
      answer.setAttribute("aria-label", "your prediction");
      const reveal = make("button", "reveal");
      reveal.addEventListener("click", () => { hidden = false; draw(); box.focus(); });
      answer.addEventListener("keydown", (event) => {
        if (event.key !== "Enter") return;
        const right = Math.abs(Number(answer.value) - row.value) <= 0.01 * Math.max(1, Math.abs(row.value));
        if (row.value === null || !right || !answer.value) {
          said.textContent = "Not this; try again, or reveal.";
          return;
        }
        hidden = false;
        draw();
        say.prepend(make("p", `✓ ${answer.value} is right`));
        box.focus();
      });
      asked.append(answer, " ", reveal);
      return [asked, said];
    }

    const after = () => [make("h3", "The pass is done"), table(
      ["", "gradient in this mode", "right gradient", "finite difference"],
      data.last.map((row) => {
        const got = mode().final[row.id];
        return [row.name, make("td", got, got === row.right ? "" : "wrong"), row.right, row.nudged];
      }))];

    function go(step, forward) {
      at = Math.max(0, Math.min(last(), step));
      const frame = mode().frames[at - 1];
      hidden = Boolean(forward && predict.checked && frame && frame.rows.length);
      if (hidden || at === last()) stop();
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
        timer = setInterval(() => go(at + 1, true), 1400);
      }
      draw();
    }

    const acts = {
      first: () => { stop(); go(0); },
      back: () => { stop(); go(at - 1); },
      play: toggle,
      next: () => { stop(); if (hidden) { hidden = false; draw(); } else go(at + 1, true); },
      last: () => { stop(); go(last()); },
    };
    for (const act in acts) find(act).addEventListener("click", acts[act]);
    slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
    modes.addEventListener("change", () => { stop(); go(0); });
    predict.addEventListener("change", () => { hidden = false; draw(); });

    const keys = { ArrowRight: "next", ArrowLeft: "back", " ": "play", Home: "first", End: "last" };
    box.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      event.stopPropagation(); // a notebook around would act on it, too
      if (!(event.key in keys) || event.shiftKey) return;
      const inside = event.target.closest("input, textarea, select, button, summary, a, [contenteditable]");
      if (inside && (event.key === " " || !inside.matches("button, [type=range], [type=checkbox]"))) return;
      event.preventDefault();
      acts[keys[event.key]]();
    });
    draw();
  }

  document.querySelectorAll(".tglm-stepper:not([data-ready])").forEach((box) => {
    box.dataset.ready = "yes";
    start(box);
  });
})();
