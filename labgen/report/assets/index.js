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
    this.places = new Map(ids.map((id, place) => [id, place]));
    this.texts = []; // by block of rows: all its texts as one, and where each begins
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
      const texts = (await block(`rows-${start / size}`)).map((entry) => entry.filter(Boolean).map(searched).join("\n"));
      const starts = new Uint32Array(texts.length + 1);
      texts.forEach((text, place) => (starts[place + 1] = starts[place] + text.length + 1));
      this.texts.push({ text: texts.join("\n"), starts });
      this.read = start + texts.length;
      this.onRead();
      await breath();
    }
  }

  // How many of the words each entry has. One search goes through a whole block, which takes a tenth of the time that
  // a search of each text would.
  found(words, among) {
    const { size } = head.series.rows;
    const found = new Uint8Array(this.size);
    const blocks = among ? new Set(among.map((entry) => Math.floor(entry / size))) : this.texts.keys();
    for (const number of blocks) for (const word of this.texts[number] ? words : []) this.find(word, this.texts[number], number * size, found);
    return found;
  }

  find(word, { text, starts }, first, found) {
    let place = 0;
    for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, starts[place])) {
      while (starts[place + 1] <= at) place++;
      found[first + place++]++;
      if (place + 1 >= starts.length) return;
    }
  }
}

function searched(row) {
  const parts = [row.id, row.question, row.answer, row.context, row.reasoning, row.question ? "" : row.raw];
  return parts.filter(Boolean).join("\n").toLowerCase();
}
