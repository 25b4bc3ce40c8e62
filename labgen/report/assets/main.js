// What the page begins with, and which view its address asks for.
const head = await block("head");
document.title = `${head.title} · labgen`;
const index = new Index(await block("index"));
await openReview();
const main = document.getElementById("main");
const views = {
  overview: ["Overview", async () => overview()],
  leaves: head.funnel ? ["Leaves", async () => leavesView()] : null,
  documents: head.documents.length ? ["Documents", async (values) => (values.document ? documentView(Number(values.document) - 1, Number(values.at)) : documentsView())] : null,
  rows: [head.kind === "comparison" ? "Row by row" : "Rows", async () => rowsView()],
};
let list = null;

function rowsView() {
  list ??= new RowList();
  return [list.element];
}

async function show() {
  const address = location.hash.slice(1);
  const wanted = address.split("?")[0];
  const name = views[wanted] ? wanted : "overview";
  if (name !== "rows" || main.firstChild !== list?.element) {
    const values = Object.fromEntries(new URLSearchParams(address.split("?")[1] ?? ""));
    main.replaceChildren(...(await views[name][1](values)).flat(Infinity).filter(Boolean));
    window.scrollTo(0, 0);
  }
  document.body.dataset.view = name;
  if (name === "rows") await list.take(filtersIn(address));
  for (const link of document.querySelectorAll("#views a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.dataset.shown = address;
}

function begin() {
  document.getElementById("title").textContent = head.title;
  const teacher = head.about?.teacher ? `written by ${head.about.teacher}` : "";
  document.getElementById("facts").textContent = [head.subtitle, teacher].filter(Boolean).join(" · ");
  document.getElementById("views").append(...Object.entries(views).filter(([, view]) => view).map(([name, [words]]) => make("a", { href: `#${name}`, "data-view": name }, words)));
  const told = [...(head.warnings ?? [])];
  if (head.about?.rehearsal) told.push("Rehearsal: the built-in rehearsal teacher wrote or judged these rows, by rule. They show that leaves pass every stage, and teach a model nothing.");
  if (head.about && head.about.complete === false) told.push("Incomplete: this build ended before every leaf was done.");
  if (review.on) told.push("Review: marks that you set are saved at once, and the next build obeys them.");
  document.getElementById("banner").append(...told.map((words) => make("p", {}, words)));
  const theme = document.getElementById("theme");
  const dark = () => (document.documentElement.style.colorScheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const name = () => (theme.textContent = dark() ? "Light" : "Dark");
  theme.addEventListener("click", () => {
    document.documentElement.style.colorScheme = dark() ? "light" : "dark";
    name();
  });
  name();
  addEventListener("hashchange", show);
  addEventListener("keydown", shortcut);
}

function shortcut(event) {
  if (event.key === "Escape" && document.activeElement?.matches("input, textarea, select")) return document.activeElement.blur();
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, textarea, select")) return undefined;
  if (event.key === "/") {
    event.preventDefault();
    if (document.body.dataset.view !== "rows") location.hash = "#rows";
    return setTimeout(() => {
      document.querySelector(".folded").open = true;
      document.getElementById("text").focus();
    }, 50);
  }
  if (document.body.dataset.view !== "rows") return undefined;
  if (event.key === "j") return list.step(1);
  if (event.key === "k") return list.step(-1);
  if (event.key === "Escape") return list.back();
  const button = document.querySelector(`.marks [data-key="${CSS.escape(event.key)}"]`);
  if (button) {
    event.preventDefault();
    button.click();
  }
  return undefined;
}

begin();
await show();
document.body.dataset.ready = "yes";
await breath();
await index.readTexts();
document.body.dataset.read = "yes";
