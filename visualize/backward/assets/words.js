// What is said of each frame: what is computed, products, sums, rules, and what becomes of a leaf.
const bracketed = (text) => (text.startsWith("-") ? `(${text})` : text);

// A template with texts in its gaps; a negative number stands in brackets where it follows something.
function filled(template, texts) {
  return template.replace(/\{(\d+)\}/g, (gap, i, at) => {
    const before = template.slice(0, at), power = template.startsWith("**", at + gap.length);
    return before && !/(\(|, )$/.test(before) || power ? bracketed(texts[i]) : texts[i];
  });
}

function wording(data, values) {
  const show = (x) => (typeof x === "number" ? format(x, data.fmt) : x);
  const name = (id) => (data.numbers.includes(id) ? show(values()[id]) : data.names[id]);
  const single = (it) => it.single !== false;

  // A node that is computed: in names, in numbers where it is of numbers, and what comes out if that is to be told.
  function computed([id, template, operands], value) {
    const fill = (text) => filled(template, operands.map(text)), told = [name(id), fill(name)];
    if (data.shapes[id]) return [told.join(" = "), `${data.shapes[id]}: ${value}`];
    if (!operands.some((key) => data.shapes[key])) told.push(fill((key) => show(values()[key])));
    if (value !== undefined) told.push(show(value));
    return [told.filter((text, i) => text !== told[i - 1]).join(" = ")];
  }
  function product(row) {
    return row.local === null || !single(row) ? show(row.amount)
      : `${show(row.upstream)} × ${bracketed(show(row.local))} = ${show(row.amount)}`;
  }
  function rule(row) {
    const [derivative, formula] = data.rules[row.edge];
    if (row.local === null) return formula;
    return `${derivative} = ${formula && isNaN(formula) ? `${formula} = ` : ""}${show(row.local)}`;
  }
  function sum(row, kind) {
    const [before, amount, after] = [row.before, row.amount, row.after].map(show);
    if (!single(row)) return row.first ? after : `added: ${after}`;
    if (row.first && (kind === "overwrite" || Number(row.before) === 0)) return after;
    if (kind === "overwrite") return `${before} is replaced by ${after}`;
    return `${before} + ${Number(row.before) ? bracketed(amount) : amount} = ${after}`;
  }
  const short = (x) => show(x).split(", norm")[0];
  // A leaf that is updated, in as many lines as it takes.
  function updated(it, rate) {
    const leaf = data.names[it.node], [before, gradient, after] = [it.before, it.gradient, it.after].map(show);
    if (it.rule) {
      const options = Object.entries(it.options).map((pair) => pair.join(" ")).join(", ");
      return [`${leaf}: ${before} → ${after}`, ...it.rule, `with g ${gradient}; ${options}`,
        ...Object.entries(it.moments).map(([moment, [old, now]]) => `${moment}: ${old} → ${now}`)];
    }
    const step = `${leaf} ← ${leaf} - lr · grad`;
    if (single(it)) return [`${step} = ${before} - ${show(rate)} × ${bracketed(gradient)} = ${after}`];
    return [step, `${before} → ${after}`, `lr ${show(rate)}, grad ${gradient}`];
  }
  return { show, name, computed, product, rule, sum, short, updated };
}
