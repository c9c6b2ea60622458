// What is said of each frame: what is computed, products, sums, rules, and what becomes of a leaf.
const bracketed = (text) => (text.startsWith("-") ? `(${text})` : text);

// A template with texts in its gaps; a negative number stands in brackets where it follows something.
function filled(template, texts) {
  return template.replace(/\{(\d+)\}/g, (gap, i, at) => {
    const before = template.slice(0, at), power = template.startsWith("**", at + gap.length);
    return before && !/(\(|, )$/.test(before) || power ? bracketed(texts[i]) : texts[i];
  });
}

// Where a page does not compute the numbers, its data has these words, too.
function wording(data, values) {
  const show = (x) => (typeof x === "number" ? format(x, data.fmt) : x), short = (x) => show(x).split(", norm")[0];
  const name = (id) => (data.numbers.includes(id) ? show(values()[id]) : data.names[id]);

  // A node that is computed: in names, in numbers, and what comes out if that is to be told.
  function computed([id, template, operands], value) {
    const told = [name(id), ...[name, (key) => show(values()[key])].map((text) => filled(template, operands.map(text)))];
    if (value !== undefined) told.push(show(value));
    return told.filter((text, i) => text !== told[i - 1]).join(" = ");
  }
  const product = (row) => row.product ?? `${show(row.upstream)} × ${bracketed(show(row.local))} = ${show(row.amount)}`;
  function rule(row) {
    const [derivative, formula] = data.rules[row.edge];
    return row.rule ?? `${derivative} = ${formula && isNaN(formula) ? `${formula} = ` : ""}${show(row.local)}`;
  }
  function sum(row, kind) {
    const [before, amount, after] = [row.before, row.amount, row.after].map(show);
    if (row.sum) return row.sum;
    if (row.first && (kind === "overwrite" || row.before === 0)) return after;
    if (kind === "overwrite") return `${before} is replaced by ${after}`;
    return `${before} + ${row.before ? bracketed(amount) : amount} = ${after}`;
  }
  function updated({ node, before, gradient, after }, rate) {
    const leaf = data.names[node];
    return `${leaf} ← ${leaf} - lr · grad = ${show(before)} - ${show(rate)} × ${bracketed(show(gradient))} = ${show(after)}`;
  }
  return { show, name, computed, product, rule, sum, short, updated };
}
