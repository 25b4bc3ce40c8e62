// Leaf by leaf: what was wanted, what came of it, what it cost.

function leavesView() {
  const states = head.states.filter((state) => state !== "accepted" && head.funnel.total.states[state]);
  const rows = Object.entries(head.funnel.leaves).map(([path, tally]) => ({ path, tally }));
  const tally = (name) => ({ tally }) => tally[name];
  const columns = [
    { name: "Leaf", value: ({ path }) => path, show: ({ path }) => [toRows({ leaf: path }, breakable(path)), head.short?.[path] ? make("span.why", {}, head.short[path]) : null] },
    { name: "Wanted", number: true, value: tally("wanted") },
    { name: "Rows", number: true, value: ({ tally }) => tally.states.accepted ?? 0, show: ({ path, tally }) => toRows({ leaf: path, state: "accepted" }, count(tally.states.accepted ?? 0)) },
    { name: "Yield", number: true, value: ({ tally }) => (tally.states.accepted ?? 0) / (tally.candidates || 1), show: ({ tally }) => percent(tally.states.accepted ?? 0, tally.candidates) },
    ...states.map((state) => ({
      name: worded(state),
      number: true,
      value: ({ tally }) => tally.states[state] ?? 0,
      show: ({ path, tally }) => (tally.states[state] ? toRows({ leaf: path, state }, count(tally.states[state])) : ""),
    })),
    { name: "Candidates", number: true, value: tally("candidates") },
    ...(head.funnel.total.coverage ? [{ name: "Passages with rows", number: true, value: ({ tally }) => (tally.coverage ? tally.coverage.with_rows / tally.coverage.passages : -1), show: ({ tally }) => (tally.coverage ? `${count(tally.coverage.with_rows)} of ${count(tally.coverage.passages)}` : "") }] : []),
    ...(head.spending ? usageColumns(({ path }) => head.spending.by_leaf[path]) : [{ name: "Calls", number: true, value: tally("calls") }]),
    ...(head.calibration ? [{ name: "Judges' index", title: "The weakest judge's share of true pairs passed less share of wrong ones passed: 1 for a perfect one", number: true, value: ({ path }) => leastIndex(path) ?? 2, show: ({ path }) => leastIndex(path)?.toFixed(2) ?? "" }] : []),
  ];
  return [section("Leaves", table("Leaves", columns, rows, { limit: 1000 }))];
}

function leastIndex(path) {
  const found = (head.calibration.leaves[path]?.judges ?? []).map((judge) => judge.index).filter((index) => index !== null);
  return found.length ? Math.min(...found) : null;
}

// A path that may go on in the next line after each of its folders.
function breakable(path) {
  return path.split("/").flatMap((part, place) => (place ? ["/", make("wbr"), part] : [part]));
}
