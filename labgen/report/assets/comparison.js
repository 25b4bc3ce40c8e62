// Two builds side by side: figures, leaves, and candidates word by word.
const MOST_WORDS = 3000; // beyond that, texts are shown whole

function comparison() {
  const { a, b, overlap, leaves, near_duplicates: near } = head.comparison;
  const lines = [["rows", count(a.rows), count(b.rows)], ["leaves", count(a.leaves), count(b.leaves)]];
  for (const part of ["question", "answer"]) for (const spread of ["mean", "p10", "p50", "p90"]) lines.push([`${part} tokens, ${spread}`, measured(a.tokens[part][spread]), measured(b.tokens[part][spread])]);
  for (const name of [...new Set([...Object.keys(a.scores), ...Object.keys(b.scores)])].sort()) lines.push([`mean of ${worded(name)}`, ...[a, b].map((side) => (side.scores[name] ? measured(side.scores[name].mean) : "–"))]);
  for (const kind of ["question", "pair"]) lines.push([`rows that repeat a ${kind}`, count(a.duplicates[kind]), count(b.duplicates[kind])]);
  if (near) lines.push([`questions above ${near.threshold} ROUGE-L of an earlier one`, count(near.a), count(near.b)]);
  const states = counted("state").map(([state, , number]) => make("li", {}, toRows({ state }, make("span.swatch", { "data-state": state }), `${state} ${count(number)}`)));
  const leaf = (side) => ([, rows]) => rows[side];
  const columns = [
    { name: "Leaf", value: ([path]) => path, show: ([path]) => toRows({ leaf: path }, path) },
    { name: "A", number: true, value: leaf("a") },
    { name: "B", number: true, value: leaf("b") },
    { name: "Same rows", number: true, value: leaf("same") },
    { name: "Not in both", number: true, value: ([, rows]) => rows.a + rows.b - 2 * rows.same },
  ];
  const row = ([name, ...values]) => make("tr", {}, make("th", { scope: "row" }, name), values.map((value) => make("td.number", {}, value)));
  const heading = make("tr", {}, make("td"), [a, b].map((side, place) => make("th.number", { scope: "col" }, `${"AB"[place]}: ${side.name}`)));
  return [
    section("Candidates side by side", make("ul.legend", {}, states), make("p.note", {}, `In both: ${count(overlap.id)} rows, ${count(overlap.pair)} pairs, ${count(overlap.question)} questions.`)),
    section("Figures", make("div.scroll", { tabindex: "0", role: "region", "aria-label": "Figures" }, make("table", {}, make("thead", {}, heading), make("tbody", {}, lines.map(row))))),
    section("Leaves", table("Leaves", columns, Object.entries(leaves), { sorted: columns[4], limit: 100 })),
  ];
}

async function twoRows(entry, rows) {
  const [question, answer] = ["question", "answer"].map((part) => compared(rows[0]?.[part] ?? "", rows[1]?.[part] ?? "", rows.every(Boolean)));
  return make("div.two", {}, await Promise.all(rows.map(async (row, side) => {
    const name = `${"AB"[side]}: ${head.comparison["ab"[side]].name}`;
    if (!row) return make("section", {}, make("h2", {}, name), make("p.note", {}, "Has no such candidate."));
    const parts = await oneRow(entry, row, name);
    for (const [kind, pieces] of [["question", question], ["answer", answer]]) parts.find((part) => part.querySelector(`.text.${kind}`))?.querySelector(".text").replaceChildren(...pieces[side]);
    return make("section", {}, make("h2", {}, name), make("p.rowline", {}, chip(row.state ?? "accepted"), make("span.reason", {}, row.reason ?? ""), make("code", {}, row.id)), parts);
  })));
}

// Two texts as pieces, with the words that only one of them has marked: a longest common subsequence of words.
function compared(one, two, both) {
  const words = [one, two].map((text) => text.match(/\s+|[^\s]+/g) ?? []);
  if (!both || one === two || words.some((some) => some.length > MOST_WORDS)) return [[visible(one)], [visible(two)]];
  const [a, b] = words;
  const width = b.length + 1;
  const common = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) common[i * width + j] = a[i] === b[j] ? common[(i + 1) * width + j + 1] + 1 : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
  const pieces = [[], []];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      pieces[0].push(visible(a[i++]));
      pieces[1].push(visible(b[j++]));
    } else if (j >= b.length || (i < a.length && common[(i + 1) * width + j] >= common[i * width + j + 1])) pieces[0].push(make("del", {}, a[i++]));
    else pieces[1].push(make("ins", {}, b[j++]));
  }
  return pieces;
}
