// A picture to look around in: fit, zoom and pan; a node lights up what feeds it and what it feeds.
(() => {
  "use strict";
  const bare = (group) => group.id.replace(/^g[0-9a-f]+-/, "");

  // The picture itself in the place of its image.
  function opened(image) {
    const bytes = Uint8Array.from(atob(image.src.split(",")[1]), (c) => c.charCodeAt(0));
    const svg = new DOMParser().parseFromString(new TextDecoder().decode(bytes), "image/svg+xml").documentElement;
    image.replaceWith(svg);
    return svg;
  }

  function start(box) {
    const find = (name) => box.querySelector(`[data-view=${name}]`);
    const svg = opened(box.querySelector("img")), about = find("about"), edges = JSON.parse(find("edges").textContent);
    const [left, top, wide, tall] = svg.getAttribute("viewBox").split(" ").map(Number);
    const steps = box.closest("[data-steps]"), most = steps ? 0.5 : 0.75;
    const groups = {}, before = {}, after = {}, pointers = new Map();
    svg.querySelectorAll("g[id]").forEach((group) => { groups[bare(group)] = group; });
    const nodes = [...svg.querySelectorAll("g.node")].map(bare);
    edges.forEach(([source, target], i) => {
      (before[target] ||= []).push([source, i]);
      (after[source] ||= []).push([target, i]);
    });
    // The middle of what is seen, in the picture's units, and how many pixels of the screen each of them takes.
    let x, y, scale, fitted = true, seen = false, pinned = "", moved = 0;

    const room = () => [svg.clientWidth || 1, svg.clientHeight || 1];
    const smallest = () => Math.min(1, room()[0] / wide, room()[1] / tall);
    const within = (value, low, high) => Math.max(low, Math.min(value, high));

    function look() {
      const [width, height] = room();
      if (fitted) [x, y, scale] = [left + wide / 2, top + tall / 2, smallest()];
      scale = within(scale, smallest(), 4);
      // What is seen stays within the picture where that is the larger, and in the middle where it is not.
      const [dx, dy] = [Math.min(wide, width / scale) / 2, Math.min(tall, height / scale) / 2];
      [x, y] = [within(x, left + dx, left + wide - dx), within(y, top + dy, top + tall - dy)];
      const view = [x - width / 2 / scale, y - height / 2 / scale, width / scale, height / scale];
      svg.setAttribute("viewBox", view.map((n) => n.toFixed(2)).join(" "));
      svg.style.setProperty("--scale", scale);
      svg.style.cursor = fitted ? "default" : "grab";
      svg.style.touchAction = fitted ? "pan-x pan-y" : "none";
    }
    function resize() {
      const least = Math.min(tall, 200);
      svg.style.height = `${within(tall * Math.min(1, svg.clientWidth / wide), least, Math.max(least, most * innerHeight))}px`;
      look();
      if (seen || !svg.clientWidth) return;
      seen = true;
      // Where all of it would be too small to read, what it comes to is seen first.
      if (smallest() < 0.45 && box.dataset.end) {
        [scale, fitted] = [0.65, false];
        look();
        show([box.dataset.end]);
      }
    }
    function fit() {
      fitted = true;
      look();
    }
    function zoom(factor, at = [x, y]) {
      const next = within(scale * factor, smallest(), 4), k = scale / next;
      [x, y, scale] = [at[0] + (x - at[0]) * k, at[1] + (y - at[1]) * k, next];
      fitted = scale <= smallest();
      look();
    }
    function pan(dx, dy) {
      if (fitted) return;
      [x, y] = [x + dx / scale, y + dy / scale];
      look();
    }
    function point(event) {
      const frame = svg.getBoundingClientRect(), [width, height] = room();
      return [x + (event.clientX - frame.left - width / 2) / scale, y + (event.clientY - frame.top - height / 2) / scale];
    }
    // Bring nodes into view, large enough to be read if there is room for all of them. With a scale that is the least,
    // they are seen as large as they can be, and for that the farthest from the first one are left out.
    function show(ids, least = 0) {
      let low, high, w, h;
      const all = ids.map((id) => groups[id].getBoundingClientRect()), first = all[0];
      const [width, height] = room(), far = (r) => Math.hypot(r.left + r.right - first.left - first.right, r.top + r.bottom - first.top - first.bottom);
      for (;;) {
        low = point({ clientX: Math.min(...all.map((r) => r.left)), clientY: Math.min(...all.map((r) => r.top)) });
        high = point({ clientX: Math.max(...all.map((r) => r.right)), clientY: Math.max(...all.map((r) => r.bottom)) });
        [w, h] = [high[0] - low[0] + 30, high[1] - low[1] + 30];
        if (all.length < 2 || Math.min(width / w, height / h) >= least) break;
        const distances = all.map(far);
        all.splice(distances.indexOf(Math.max(...distances)), 1);
      }
      const readable = Math.min(1, width / w, height / h);
      const inside = Math.abs((low[0] + high[0]) / 2 - x) + w / 2 <= width / 2 / scale + 15 &&
        Math.abs((low[1] + high[1]) / 2 - y) + h / 2 <= height / 2 / scale + 15;
      if (inside && scale >= readable * (least ? 0.95 : 0.6)) return;
      const next = inside || least ? readable : Math.min(Math.max(scale, 0.65), readable);
      [x, y, scale] = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, next];
      fitted = scale <= smallest();
      look();
    }
    function cone(id, ways) {
      const found = new Set([id]), todo = [id];
      while (todo.length) for (const [other, i] of ways[todo.pop()] || []) {
        found.add(`e${i}`);
        if (!found.has(other)) { found.add(other); todo.push(other); }
      }
      return found;
    }
    function light(id) {
      const lit = Boolean(before[id] || after[id]);
      const feeds = lit ? cone(id, before) : new Set(), fed = lit ? cone(id, after) : new Set();
      for (const key in groups) if (groups[key].matches(".node, .edge")) {
        const list = groups[key].classList;
        list.toggle("dim", lit && !feeds.has(key) && !fed.has(key));
        list.toggle("feeds", feeds.has(key));
        list.toggle("fed", fed.has(key));
        list.toggle("picked", key === id);
      }
      const title = groups[id] && groups[id].querySelector("title");
      about.textContent = title ? title.textContent.split("\n").join("  ·  ") : about.dataset.hint;
    }
    function pick(id) {
      // Whoever hears of it may do something else with it.
      pinned = svg.dispatchEvent(new CustomEvent("pick", { detail: id, cancelable: true })) ? id : "";
      light(pinned);
    }
    function step(by) {
      const at = nodes.indexOf(pinned);
      pick(nodes[at < 0 ? (by > 0 ? 0 : nodes.length - 1) : (at + by + nodes.length) % nodes.length]);
      show([pinned]);
    }
    function over(event) {
      const group = event.target.closest("g.node");
      return group && groups[bare(group)] === group ? bare(group) : "";
    }
    function release(event) {
      if (!pointers.delete(event.pointerId) || event.type !== "pointerup" || moved > 4) return;
      pick(over(event) === pinned ? "" : over(event));
    }
    const on = (name, act, options) => svg.addEventListener(name, act, options);
    on("pointerover", (event) => { if (!pointers.size) light(over(event) || pinned); });
    on("pointerleave", () => light(pinned));
    on("pointerdown", (event) => {
      if (event.button) return;
      if (!pointers.size) moved = 0;
      pointers.set(event.pointerId, event);
    });
    on("pointermove", (event) => {
      // The button may have been released elsewhere.
      if (!event.buttons) pointers.delete(event.pointerId);
      const last = pointers.get(event.pointerId);
      if (!last) return;
      const [dx, dy] = [event.clientX - last.clientX, event.clientY - last.clientY];
      const other = [...pointers.values()].find((one) => one.pointerId !== event.pointerId);
      const far = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
      moved += Math.abs(dx) + Math.abs(dy);
      if (moved > 4) svg.setPointerCapture(event.pointerId);
      if (other) zoom(far(event) / far(last), point(other));
      else pan(-dx, -dy);
      pointers.set(event.pointerId, event);
    });
    on("pointerup", release);
    on("pointercancel", release);
    on("dblclick", (event) => { event.preventDefault(); zoom(event.shiftKey ? 0.5 : 2, point(event)); });
    on("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 200), point(event));
    }, { passive: false });

    const acts = { fit, in: () => zoom(1.5), out: () => zoom(1 / 1.5) };
    for (const act in acts) find(act).addEventListener("click", acts[act]);
    const keys = { "+": acts.in, "=": acts.in, "-": acts.out, 0: fit }, arrows = { Right: [1, 0], Left: [-1, 0], Down: [0, 1], Up: [0, -1] };
    if (!steps) keys.Escape = () => pick("");
    box.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select, textarea")) return;
      const [dx, dy] = arrows[event.key.replace("Arrow", "")] || [0, 0], arrow = dx || dy;
      let act = keys[event.key];
      if (arrow && event.shiftKey) act = () => pan(dx * 80, dy * 80);
      else if (arrow && keys.Escape) act = () => step(dx + dy);
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    });
    svg.style.width = "100%";
    new ResizeObserver(resize).observe(box);
    resize();
    light("");
    box.view = { groups, show, light, fit };
  }

  document.querySelectorAll(".tglm-view:not([data-ready])").forEach((box) => {
    box.dataset.ready = "yes";
    start(box);
  });
})();
