"""The report's HTML frame: light and dark, readable on a small screen.

On a screen of less than 40rem every row of a table of class `cards` is a card.
The script sorts a table of class `sortable` by the heading that was clicked;
above cards the headings stand in a line. Without the script there is no such
line.
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root {
  --ground: #ffffff; --panel: #f4f6f9; --ink: #1f2430; --muted: #5b6472;
  --line: #d9dde4; --oblivious: #fdf3dc; --adaptive: #fce5d8;
  --accent: #0072b2; --error: #d55e00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171e; --panel: #1d222c; --ink: #e8eaf0; --muted: #a2abba;
    --line: #3a4150; --oblivious: #3b3113; --adaptive: #4a2714;
    --accent: #56b4e9; --error: #e8804a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem;
  background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
}
h1, h2, summary, figcaption, li, p { overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 1.5rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .8rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .42rem .8rem; border-bottom: 1px solid var(--line); }
thead th { font-weight: 600; text-align: right; vertical-align: bottom; }
thead th[colspan] {
  text-align: center; font-size: .85rem; color: var(--muted);
  font-weight: 500; border-bottom-width: 2px;
}
th.model { text-align: left; overflow-wrap: break-word; }
.accuracy tbody th { text-align: left; font-weight: 500; }
.accuracy td { text-align: right; white-space: nowrap; }
.accuracy .oblivious { background: var(--oblivious); }
.accuracy .adaptive { background: var(--adaptive); }
.accuracy td.adaptive { font-weight: 600; }
td.missing { font-weight: 400; font-style: italic; color: var(--muted); }
.plain { font-size: .88rem; margin: .6rem 0; }
.plain th, .plain td { text-align: left; vertical-align: top; }
.plain td { overflow-wrap: break-word; }
.plain td.name { font-weight: 500; min-width: 9rem; }
.plain td.value { overflow-wrap: anywhere; }
thead button {
  all: unset; cursor: pointer; font: inherit; color: inherit;
}
thead button:hover, thead button:focus-visible { text-decoration: underline; }
thead th[aria-sort="ascending"] button::after { content: " \\2191"; }
thead th[aria-sort="descending"] button::after { content: " \\2193"; }
.matrices { display: flex; flex-wrap: wrap; gap: 1.4rem 2.4rem; }
.matrix { max-width: 100%; flex: 0 1 auto; min-width: 18rem; }
.matrix figcaption { font-size: .88rem; font-weight: 500; max-width: 28rem; }
.confusion { font-size: .8rem; margin: .4rem 0; }
.confusion th, .confusion td {
  padding: .2rem .3rem; text-align: right; min-width: 2rem; border: 0;
}
.confusion thead span { writing-mode: vertical-rl; white-space: nowrap; }
.confusion td { border: 1px solid var(--line); }
.confusion .right {
  --strength: calc(var(--share) * 55%);
  background: color-mix(in srgb, var(--accent) var(--strength), transparent);
}
.confusion .wrong {
  --strength: calc(var(--share) * 70%);
  background: color-mix(in srgb, var(--error) var(--strength), transparent);
}
@media (max-width: 40rem) {
  body { padding: 1.2rem .9rem 3rem; }
  .cards, .cards tbody, .cards tr { display: block; }
  .cards thead, .cards thead tr:not(:last-child) { display: none; }
  .cards.sorts:not(.settings) thead { display: block; }
  .cards.sorts thead tr:last-child {
    display: flex; flex-wrap: wrap; gap: .35rem; align-items: baseline;
    border: 0; padding: 0;
  }
  .cards.sorts thead tr::before {
    content: "Sort by"; color: var(--muted); font-size: .88rem;
  }
  .cards.sorts thead th { border: 0; padding: 0; background: none; }
  .cards.sorts thead button {
    border: 1px solid var(--line); border-radius: .4rem;
    padding: .15rem .6rem; font-size: .88rem;
  }
  .cards tr {
    border: 1px solid var(--line); border-radius: .4rem;
    padding: .5rem .7rem; margin-bottom: .7rem;
  }
  .cards th.model, .cards td.name, .plain.cards td.name {
    display: block; padding: .1rem 0 .3rem; font-weight: 600; border: 0;
  }
  .cards td {
    display: grid; grid-template-columns: 1fr auto; gap: .8rem;
    padding: .25rem .3rem; text-align: right; border: 0; white-space: normal;
  }
  .cards td::before {
    content: attr(data-label); text-align: left; color: var(--muted);
    font-weight: 400; font-style: normal;
  }
  .cards td.name::before { content: none; }
  .plain.cards td { grid-template-columns: 2fr 3fr; text-align: left; }
  .text.cards td { display: block; }
  .text.cards td::before { display: block; font-size: .8rem; }
  .settings.cards td { display: block; }
  .settings.cards td::before { content: none; }
  .confusion th, .confusion td { padding: .15rem .1rem; min-width: 1.65rem; }
}
.notes { color: var(--muted); font-size: .88rem; padding-left: 1.1rem; }
.verdicts { padding-left: 1.1rem; }
.verdicts li { margin-bottom: .5rem; }
.caveat {
  background: var(--panel); border-left: 4px solid var(--accent);
  padding: .9rem 1.1rem; border-radius: 0 .4rem .4rem 0;
}
a { color: var(--accent); }
figure { margin: 0; overflow-x: auto; }
img { max-width: 100%; height: auto; display: block; }
details { margin: .6rem 0; }
summary { cursor: pointer; color: var(--accent); }
</style>
</head>
<body>
<h1>$title</h1>
$body
<script>
// Numbers by value, the rest by letters; what was not measured comes last.
function compare(a, b) {
  const [x, y] = [parseFloat(a), parseFloat(b)];
  if (!isNaN(x) && !isNaN(y)) return x - y;
  return a.localeCompare(b);
}
function sort(table, place, sign) {
  const cell = (row) => row.cells[place];
  const text = (row) => cell(row).textContent.trim();
  const absent = (row) => cell(row).classList.contains("missing");
  const rows = Array.from(table.tBodies[0].rows);
  rows.sort((a, b) => absent(a) - absent(b)
    || sign * compare(text(a), text(b)));
  rows.forEach((row) => table.tBodies[0].append(row));
}
for (const table of document.querySelectorAll("table.sortable")) {
  const rows = table.tBodies[0].rows;
  if (rows.length > 1) table.classList.add("sorts");
  const heads = Array.from(table.tHead.rows).pop().cells;
  Array.from(heads).forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending";
      Array.from(heads).forEach((h) => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      sort(table, place, up ? 1 : -1);
    });
  });
}
</script>
</body>
</html>
"""
