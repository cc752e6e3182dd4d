"""How the page at ``/`` looks: its style sheet, with colours for light and dark.

Rules: system fonts and nothing to load; tables scroll by themselves, so that the page never does so sideways; each pair
of colours reads at a contrast of 4.5 to 1 or more.
"""

__all__ = ["STYLE"]

STYLE: str = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1c1d21; --faint: #62656e; --line: #dfe1e6;
  --shade: #f5f6f8; --link: #0b57b7; --good: #17693a; --poor: #8a5300; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ground: #16171b; --ink: #e6e7ea; --faint: #9da1ab; --line: #33363e;
  --shade: #1f2126; --link: #8ab8ff; --good: #74d19a; --poor: #f0b45c; --bad: #ff938a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 1.5rem 1rem 3rem; background: var(--ground); color: var(--ink);
  font: 0.9375rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 1.375rem; }
h2 { margin: 2.25rem 0 0.625rem; font-size: 1.0625rem; }
h2 small { margin-left: 0.375rem; color: var(--faint); font-size: 0.8125rem; font-weight: normal; }
p { margin: 0.375rem 0; max-width: 52rem; }
a { color: var(--link); }
code, pre { font: 0.8125rem/1.5 ui-monospace, monospace; }
pre { margin: 0.625rem 0 0; padding: 0.75rem 0.875rem; border-radius: 0.375rem; background: var(--shade);
  white-space: pre-wrap; }
.faint, footer { color: var(--faint); }
.table { overflow-x: auto; border: 1px solid var(--line); border-radius: 0.5rem; }
.table:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
table { width: 100%; border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
th { color: var(--faint); font-size: 0.75rem; font-weight: 600; text-align: left; white-space: nowrap;
  background: var(--shade); }
th, td { padding: 0.4375rem 0.625rem; vertical-align: top; }
td { contain: paint; min-width: 5rem; max-width: 26rem; border-top: 1px solid var(--line); }
td.number { min-width: 3rem; }
td.name { min-width: 13rem; }
td.value { min-width: 7.5rem; }
td.text { min-width: 16rem; }
.number { text-align: right; }
.number, time { white-space: nowrap; }
.good { color: var(--good); }
.poor { color: var(--poor); }
.bad { color: var(--bad); }
footer { margin-top: 2.5rem; font-size: 0.8125rem; }
"""
