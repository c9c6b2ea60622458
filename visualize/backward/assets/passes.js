// The arithmetic of a program on single numbers: forward, backward in every mode, what nudging measures, the update.

// A number as Python's format writes it, and as a picture does: without a minus sign on nothing.
function format(x, spec) {
  if (!Number.isFinite(x)) return String(x).toLowerCase().replace("inity", "");
  const [, digits, kind] = /^\.(\d+)([efg])$/.exec(spec), size = Math.abs(x);
  const bare = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  const power = ([digit, e]) => `${digit}e${e[0]}${e.slice(1).padStart(2, "0")}`;
  const apart = (places) => rounded(size, places, "toExponential").split("e");
  let text;
  if (kind === "f") text = rounded(size, +digits, "toFixed");
  else if (kind === "e") text = power(apart(+digits));
  else {
    const places = Math.max(1, +digits) - 1, [digit, e] = apart(places);
    text = e < -4 || e > places ? power([bare(digit), e]) : bare(rounded(size, places - e, "toFixed"));
  }
  return (x < 0 || Object.is(x, -0)) && /[^0.]/.test(text) ? `-${text}` : text;
}

// JavaScript rounds a half up, Python to the even digit.
function rounded(x, places, way) {
  if (way === "toFixed" && x >= 1e21) return BigInt(x) + (places ? `.${"0".repeat(places)}` : "");
  const [digits, e] = x[way](Math.min(100, places + 40)).split("e");
  const end = digits.indexOf(".") + (places ? 1 + places : 0), kept = digits.slice(0, end);
  const isHalf = /^\.?50*$/.test(digits.slice(end)) && /[02468]$/.test(kept);
  return isHalf ? kept + (e ? `e${e}` : "") : x[way](places);
}

const differs = (x, y) => x !== y && (x === x || y === y) && !(Math.abs(x - y) <= 1e-9 * Math.max(Math.abs(x), Math.abs(y)));

// All that the frames show. data: the structure; program: forward(v) and local(v); given: numbers of the leaves by id.
function passes(data, program, given, rate) {
  const place = (id) => Number(id.slice(1)), end = place(data.root);
  function forward(numbers, fixed, number) {
    const v = Array(data.size);
    for (const id in numbers) v[place(id)] = numbers[id];
    // What is nudged keeps its number, also where the program computes another.
    if (fixed) Object.defineProperty(v, place(fixed), { get: () => number, set() {} });
    program.forward(v);
    return v;
  }
  function slope(id) {
    const at = values[place(id)], step = 2 ** Math.round(Math.log2(6e-6 * Math.max(1, Math.abs(at))));
    if (!Number.isFinite(at)) return NaN;
    const result = (x) => forward(given, id, x)[end];
    return (result(at + step) - result(at - step)) / (at + step - (at - step));
  }
  function backward(order, kind, earlier) {
    const start = {}, last = {};
    for (const id of data.graded) start[id] = earlier && data.leaves.includes(id) ? earlier[id] : 0;
    start[data.root] += 1;
    const final = { ...start };
    const frames = order.map((node, index) => {
      const gradient = final[node];
      const rows = data.coming[node].map(([edge, source, position]) => {
        const local = locals[place(node)][position], product = gradient * local;
        const amount = product !== product && gradient === 0 ? 0 : product, before = final[source];
        const after = final[source] = kind === "overwrite" ? amount : before + amount, first = !(source in last);
        last[source] = index;
        return { edge, source, upstream: gradient, local, amount, before, after, first, size: Math.abs(amount) };
      });
      return { node, gradient, rows };
    });
    return { start, final, frames, last };
  }
  const values = forward(given), locals = program.local(values), nudges = {};
  for (const id of data.graded) nudges[id] = slope(id);
  const modes = [];
  data.modes.forEach(({ kind, order }) => {
    const right = modes[0], mode = backward(order, kind, kind === "no_zero_grad" && right.final);
    mode.wrong = {};
    if (right) for (const id in mode.final) if (differs(mode.final[id], right.final[id])) mode.wrong[id] = right.final[id];
    const next = { ...given };
    mode.updates = data.trained.map((node) => {
      const before = given[node], gradient = mode.final[node], after = next[node] = before - rate * gradient;
      return { node, before, gradient, after };
    });
    mode.result = forward(next)[end];
    modes.push(mode);
  });
  return { values: Object.fromEntries(values.map((x, i) => [`v${i}`, x])), nudges, modes };
}
