"""The report's HTML frame: light and dark, readable on a small screen."""

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
  --accent: #0072b2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171e; --panel: #1d222c; --ink: #e8eaf0; --muted: #a2abba;
    --line: #3a4150; --oblivious: #3b3113; --adaptive: #4a2714;
    --accent: #56b4e9;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem;
  background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
}
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
.accuracy th.model { text-align: left; }
.accuracy tbody th { text-align: left; font-weight: 500; }
.accuracy td { text-align: right; white-space: nowrap; }
.accuracy .oblivious { background: var(--oblivious); }
.accuracy .adaptive { background: var(--adaptive); }
.accuracy td.adaptive { font-weight: 600; }
.accuracy td.missing {
  font-weight: 400; font-style: italic; color: var(--muted);
}
.plain { font-size: .88rem; margin: .6rem 0; }
.plain th, .plain td { text-align: left; overflow-wrap: anywhere; }
.notes { color: var(--muted); font-size: .88rem; padding-left: 1.1rem; }
.verdicts { padding-left: 1.1rem; }
.verdicts li { margin-bottom: .5rem; }
.caveat {
  background: var(--panel); border-left: 4px solid var(--accent);
  padding: .9rem 1.1rem; border-radius: 0 .4rem .4rem 0;
}
figure { margin: 0; overflow-x: auto; }
img { max-width: 100%; height: auto; display: block; }
details { margin: .6rem 0; }
summary { cursor: pointer; color: var(--accent); }
</style>
</head>
<body>
<h1>$title</h1>
$body
</body>
</html>
"""
