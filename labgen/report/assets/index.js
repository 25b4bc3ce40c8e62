// What lists, filters and plots know of every entry: columns of numbers, and the texts once they have been read.

class Measure {
  // A number that entries have, or not: a filter's value, or a length in tokens (estimated).
  constructor(name, title, at, seen, whole) {
    Object.assign(this, { name, title, at, seen, whole });
  }

  levels() {
    this.known ??= [...new Set(this.all())].sort((a, b) => a - b);
    return this.known;
  }

  bounds() {
    const levels = this.levels();
    return [levels[0], levels[levels.length - 1]];
  }

  *all() {
    for (let entry = 0; entry < index.size; entry++) {
      const value = this.at(entry);
      if (value !== null) yield value;
    }
  }
}

class Index {
  constructor({ ids, columns, names, scores }) {
    Object.assign(this, { ids, names, size: ids.length });
    this.columns = Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, Int32Array.from(column)]));
    // Reversed: a row wins over what repeats its id further down.
    this.places = new Map(ids.map((id, place) => [id, place]).reverse());
    this.texts = []; // by block of rows: its texts as one or two, see readTexts
    this.read = 0;
    this.measures = new Map();
    this.onRead = () => {};
    for (const part of ["question", "answer"]) {
      const column = this.columns[part];
      this.measures.set(`${part} tokens`, new Measure(`${part} tokens`, `${part} length, in tokens`, (entry) => column[entry], this.size, true));
    }
    for (const [number, { values, at }] of Object.entries(scores)) {
      const name = head.filters[number];
      const column = new Float64Array(this.size).fill(NaN);
      at.forEach((place, entry) => place >= 0 && (column[entry] = values[place]));
      const seen = at.reduce((sum, place) => sum + (place >= 0), 0);
      this.measures.set(name, new Measure(name, worded(name), (entry) => (Number.isNaN(column[entry]) ? null : column[entry]), seen, false));
    }
  }

  number(column, name) {
    return this.names[column].indexOf(name);
  }

  name(column, entry) {
    return this.names[column][this.columns[column][entry]];
  }

  // Read all texts for the search, a block at a time, so that the page answers meanwhile. A block's texts are joined,
  // for one search of many texts takes a tenth of the time of many searches; those that hold characters beyond Latin-1
  // apart from the others, for they take the browser two bytes a character, and twice the time.
  async readTexts() {
    const { size } = head.series.rows;
    for (let start = 0; start < this.size; start += size) {
      const texts = (await block(`rows-${start / size}`)).map((entry) => entry.filter(Boolean).map(searched).join("\n"));
      const wide = texts.map((text) => /[^\0-\xff]/.test(text));
      this.texts.push([false, true].map((kind) => joined(texts, start, (place) => wide[place] === kind)).filter(Boolean));
      this.read = start + texts.length;
      this.onRead();
      await breath();
    }
  }

  // How many of the words each entry has.
  found(words, among) {
    const { size } = head.series.rows;
    const found = new Uint8Array(this.size);
    const blocks = among ? new Set(among.map((entry) => Math.floor(entry / size))) : this.texts.keys();
    for (const number of blocks) for (const part of this.texts[number] ?? []) for (const word of words) find(word, part, found);
    return found;
  }
}

function joined(texts, start, chosen) {
  const own = [...texts.keys()].filter(chosen);
  if (!own.length) return null;
  const starts = new Uint32Array(own.length + 1);
  own.forEach((place, number) => (starts[number + 1] = starts[number] + texts[place].length + 1));
  return { text: own.map((place) => texts[place]).join("\n"), starts, entries: own.map((place) => start + place) };
}

function find(word, { text, starts, entries }, found) {
  let place = 0;
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, starts[place])) {
    while (starts[place + 1] <= at) place++;
    found[entries[place++]]++;
    if (place === entries.length) return;
  }
}

// Quotation marks, dashes and spaces as they are typed, in texts and in what is searched for.
function plainly(text) {
  return text.toLowerCase().replace(/[\u2018\u2019]/g, "'").replace(/[\u201c-\u201f]/g, '"').replace(/[\u2010-\u2015\u2212]/g, "-").replace(/[\u00a0\u2002-\u200a\u202f]/g, " ").replace(/\u2026/g, "...");
}

function searched(row) {
  const parts = [row.id, row.question, row.answer, row.question_2, row.answer_2, row.context, row.reasoning, row.question ? "" : row.raw];
  return plainly(parts.filter(Boolean).join("\n"));
}
