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
    this.places = new Map(ids.map((id, place) => [id, place]).reverse()) /* a row comes before what repeats its id */;
    this.texts = new Array(ids.length);
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

  // Read all texts for the search, a block at a time, so that the page answers meanwhile.
  async readTexts() {
    const { size } = head.series.rows;
    for (let start = 0; start < this.size; start += size) {
      const entries = await block(`rows-${start / size}`);
      entries.forEach((entry, place) => (this.texts[start + place] = entry.filter(Boolean).map(searched).join("\n")));
      this.read = Math.min(this.size, start + size);
      this.onRead();
      await breath();
    }
  }
}

function searched(row) {
  const parts = [row.id, row.question, row.answer, row.question_2, row.answer_2, row.context, row.reasoning, row.question ? "" : row.raw];
  return parts.filter(Boolean).join("\n").toLowerCase();
}
