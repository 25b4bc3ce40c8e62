// How lengths, scores and similarities are spread, rows against what was turned down. Bars lead to their rows.
const BINS = 24;

function plots() {
  const measures = [...index.measures.values()].filter((measure) => measure.seen);
  return make("div.plots", {}, measures.map(plot));
}

function plot(measure) {
  const levels = measure.levels();
  const few = levels.length <= 4 || (levels.length <= 8 && levels.every(Number.isInteger));
  const bins = few ? levels.map((value) => ({ from: value, to: value })) : equalBins(measure);
  for (const bin of bins) bin.rows = bin.refused = 0;
  const accepted = index.number("state", "accepted");
  let sum = 0;
  for (let entry = 0; entry < index.size; entry++) {
    const value = measure.at(entry);
    if (value === null) continue;
    sum += value;
    const bin = bins.find(({ from, to }) => value >= from && value <= to) ?? bins[bins.length - 1];
    if (index.columns.state[entry] === accepted) bin.rows++;
    else bin.refused++;
  }
  const title = measure.title;
  const told = `${count(measure.seen)} measured, mean ${measured(sum / measure.seen)}, ${measured(levels[0])} to ${measured(levels[levels.length - 1])}`;
  const drawn = few ? bars(measure, bins) : histogram(measure, bins, title);
  return make("figure.plot", {}, make("figcaption", {}, make("strong", {}, title), make("span", {}, told)), drawn);
}

function equalBins(measure) {
  const [least, most] = measure.bounds();
  const step = measure.whole ? Math.max(1, Math.ceil((most - least + 1) / BINS)) : (most - least) / BINS;
  const bins = [];
  for (let place = 0; place < BINS; place++) {
    const from = least + place * step;
    if (from > most) break;
    bins.push({ from, to: measure.whole ? from + step - 1 : from + step });
  }
  return bins;
}

function filtersOf(measure, bin) {
  return { measure: measure.name, least: Math.round(bin.from * 1000) / 1000, most: Math.round(bin.to * 1000) / 1000 };
}

function bars(measure, bins) {
  const most = Math.max(...bins.map((bin) => bin.rows + bin.refused));
  const rows = bins.map((bin) => {
    const bar = make("span.level", {}, make("span", { "data-part": "rows" }), make("span", { "data-part": "refused" }));
    bar.style.width = `${(100 * (bin.rows + bin.refused)) / most}%`;
    bar.children[0].style.flexGrow = bin.rows;
    bar.children[1].style.flexGrow = bin.refused;
    return make("tr", {}, make("th.number", { scope: "row" }, measured(bin.from)), make("td.wide", {}, bar), make("td.number", {}, toRows(filtersOf(measure, bin), count(bin.rows + bin.refused))));
  });
  return make("table.levels", {}, make("tbody", {}, rows));
}

function histogram(measure, bins, title) {
  const [width, height] = [320, 96];
  const most = Math.max(...bins.map((bin) => bin.rows + bin.refused));
  const picture = drawing("svg", { viewBox: `0 0 ${width} ${height + 16}`, role: "img", "aria-label": `Histogram of ${title}` });
  const room = width / bins.length;
  bins.forEach((bin, place) => {
    const link = drawing("g", { class: "bin" });
    const tall = (number) => (number ? Math.max(1, (height * number) / most) : 0);
    const [rows, refused] = [tall(bin.rows), tall(bin.refused)];
    const at = { x: place * room + 0.5, width: Math.max(1, room - 1) };
    const name = drawing("title", {});
    name.textContent = `${measured(bin.from)} to ${measured(bin.to)}: ${count(bin.rows)} rows, ${count(bin.refused)} turned down`;
    link.append(name, drawing("rect", { ...at, y: 0, height, class: "all" }), drawing("rect", { ...at, y: height - rows, height: rows, class: "rows" }), drawing("rect", { ...at, y: height - rows - refused, height: refused, class: "refused" }));
    link.addEventListener("click", () => (location.hash = addressOf("rows", filtersOf(measure, bin))));
    picture.append(link);
  });
  [[0, bins[0].from, "start"], [width, bins[bins.length - 1].to, "end"]].forEach(([x, value, anchor]) => {
    const label = drawing("text", { x, y: height + 13, "text-anchor": anchor });
    label.textContent = measured(value);
    picture.append(label);
  });
  return picture;
}

function drawing(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
