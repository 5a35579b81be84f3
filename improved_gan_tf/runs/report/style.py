"""The look of the report's page: light, dark, narrow and printed."""

STYLE = """
:root { color-scheme: light dark; --page: #f4f5f7; --card: #ffffff; --text: #1e242b;
  --quiet: #56606b; --line: #dfe3e8; --accent: #0a66b0; --mark: #fdf0d5; }
img { display: block; max-width: 100%; height: auto; }
.curve .dark { display: none; }
@media screen and (prefers-color-scheme: dark) {
  :root { --page: #12161b; --card: #1b2027; --text: #e3e8ee; --quiet: #9aa5b1; --line: #313943;
    --accent: #6fb7f2; --mark: #3b3222; }
  .curve .light { display: none; }
  .curve .dark { display: block; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
.wrap { max-width: 66rem; margin: 0 auto; padding: 2.5rem 1.25rem 3rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 0 0 .9rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .6rem; }
p { margin: .5rem 0; max-width: 46rem; }
.kind { color: var(--quiet); margin: 0 0 .2rem; }
.state { color: var(--quiet); margin: .35rem 0 0; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1.4rem 1.5rem 1.5rem; margin-top: 1.25rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1rem;
  margin: 1.5rem 0 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1rem 1.25rem; display: flex; flex-direction: column; }
.tile dt { color: var(--quiet); font-size: .9rem; }
.tile dd { margin: 0; }
.tile .value { font-size: 1.9rem; font-weight: 650; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.tile.main .value { color: var(--accent); }
.tile .more { color: var(--quiet); font-size: .9rem; line-height: 1.4; }
.notes { border-left: 5px solid #d99a2b; }
.notes ul { margin: 0; padding-left: 1.2rem; }
figure { margin: 0; }
figure + figure { margin-top: 1.8rem; }
figcaption { color: var(--quiet); font-size: .92rem; margin-top: .4rem; max-width: 46rem; }
.curve img { width: 100%; }
.grid img { border-radius: 4px; }
ul.time { list-style: none; margin: 0; padding: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(max(8.5rem, 22%), 1fr)); }
ul.time figcaption { margin: 0 0 .3rem; color: var(--text); }
ul.time img { width: 100%; }
.scroll { overflow-x: auto; }
.scroll + .scroll { margin-top: 1.5rem; }
@media screen { .curve img { min-width: 34rem; } }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); gap: 0 2.5rem; }
table { border-collapse: collapse; width: 100%; font-size: .93rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding-bottom: .4rem; }
.facts caption { color: var(--text); font-weight: 650; }
th, td { padding: .36rem .7rem .36rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
thead th { color: var(--quiet); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 500; }
.facts th, .facts td { overflow-wrap: break-word; }
.facts th { width: 45%; }
.numbers th, .numbers td { text-align: right; white-space: nowrap; padding: .36rem 0 .36rem .9rem; }
.numbers th:first-child { text-align: left; padding-left: 0; }
.numbers thead th { white-space: normal; text-wrap: balance; }
.set { background: var(--mark); border-radius: 4px; padding: 0 .4em; font-size: .85rem; }
pre { background: var(--page); border: 1px solid var(--line); border-radius: 8px; margin: .6rem 0 0;
  padding: .8rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .88rem; }
footer { color: var(--quiet); font-size: .9rem; margin-top: 1.5rem; overflow-wrap: anywhere; }
a:focus-visible, .scroll:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
@page { margin: 16mm 14mm; }
@media print {
  :root { color-scheme: light; --page: #fff; --card: #fff; --text: #000; --quiet: #444;
    --line: #bbb; --accent: #0a4f8a; --mark: #eee; }
  body { font-size: 10.5pt; }
  .wrap { max-width: none; padding: 0; }
  section { border: 0; border-top: 1px solid var(--line); border-radius: 0; padding: 1rem 0 0; }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); }
  .scroll { overflow: visible; }
  details { display: none; }
  ul.time { grid-template-columns: repeat(4, 1fr); gap: .6rem; }
  .grid > img { max-height: 120mm; }
  figure, .tile, tr, pre { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
  thead { display: table-header-group; }
}
"""
