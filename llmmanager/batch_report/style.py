"""The style sheet of the report: light and dark, from 320 px on, and for paper."""

STYLE = """
:root{color-scheme:light dark;--page:#f4f5f8;--card:#fff;--text:#1b2130;--muted:#566074;--line:#dde1e9;
--accent:#2f62d9;--good:#18794e;--warn:#9a5b00;--bad:#c02a37;--good-soft:#e3f4ea;--warn-soft:#fcf0da;
--bad-soft:#fde8e9}
@media screen and (prefers-color-scheme:dark){:root{--page:#10141b;--card:#191f29;--text:#e7eaf0;
--muted:#a5afbf;--line:#303a49;--accent:#77a7ff;--good:#4cc38a;--warn:#f0b03f;--bad:#ff8087;
--good-soft:#12301f;--warn-soft:#33260c;--bad-soft:#3b1a1d}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere;-webkit-text-size-adjust:100%}
main,header,footer{max-width:78rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:1.5rem}
h1{font-size:1.5rem;line-height:1.25;margin:0;overflow:hidden}
h2{font-size:1.15rem;margin:2.25rem 0 .75rem;scroll-margin-top:1rem}
h3{font-size:.95rem;margin:1.25rem 0 .5rem}
.card h3{margin-top:0}
p{margin:.4rem 0}
a{color:var(--accent)}
.muted{color:var(--muted)}
.eyebrow{color:var(--muted);font-size:.8rem;letter-spacing:.06em;text-transform:uppercase;margin:0 0 .2rem}
.verdict{margin:1rem 0;padding:.7rem 1rem;border-left:5px solid;border-radius:6px;font-size:1.05rem;
font-weight:600;overflow:hidden}
.verdict.good{background:var(--good-soft);border-color:var(--good)}
.verdict.warn{background:var(--warn-soft);border-color:var(--warn)}
.verdict.bad{background:var(--bad-soft);border-color:var(--bad)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,16rem),1fr));gap:1rem}
.tile,.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem 1.15rem;
overflow:hidden}
.card{margin-bottom:1rem}
.tile h2{font-size:.85rem;font-weight:600;color:var(--muted);margin:0 0 .3rem}
.big{font-size:1.7rem;line-height:1.2;font-weight:650;margin:0 0 .35rem;font-variant-numeric:tabular-nums}
.tile p{margin:.2rem 0}
.tile .big+.share{margin:.2rem 0 .5rem}
td p:first-child{margin-top:0}
ul{margin:.3rem 0;padding-left:1.1rem}
.tile ul{list-style:none;padding:0}
.key::before{content:"";display:inline-block;width:.65em;height:.65em;border-radius:2px;margin-right:.45em;
background:var(--line)}
.key.answered::before{background:var(--accent)}
.key.failed::before{background:var(--bad)}
.key.rejected::before{background:var(--warn)}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.45rem .9rem .45rem 0;border-bottom:1px solid var(--line);
font-weight:400;overflow:hidden}
th:last-child,td:last-child{padding-right:0}
tr:last-child>*{border-bottom:0}
thead th{overflow-wrap:normal;color:var(--muted);font-size:.82rem;vertical-align:bottom}
tbody th{font-weight:600;width:17%;min-width:11rem}
.totals tbody th{width:32%}
.detail{font-weight:400;font-size:.87em}
.number{text-align:right;white-space:nowrap}
thead .number{white-space:normal}
td .share{width:7rem;height:.45rem;margin:.2rem 0 .2rem auto}
code,pre{font:.87em/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
pre{margin:.35rem 0;white-space:pre-wrap;max-height:22rem;overflow:auto}
bdi{unicode-bidi:isolate}
svg{display:block;width:100%}
.share{height:.55rem;border-radius:4px;overflow:hidden;background:var(--line)}
rect{fill:var(--accent)}
rect.failed{fill:var(--bad)}
rect.rejected,rect.throttles{fill:var(--warn)}
rect.cost{fill:var(--good)}
rect.grid{fill:var(--line)}
rect.mark{fill:var(--text)}
rect.rest{fill:var(--line)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,21rem),1fr));gap:1rem}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:.9rem 1.15rem;min-width:0}
figcaption{margin-bottom:.8rem}
figcaption span{display:block;font-size:.87em}
.plot{display:grid;grid-template-columns:auto 1fr;column-gap:.6rem;font-size:.78rem;color:var(--muted);
font-variant-numeric:tabular-nums}
.plot svg{height:9rem;border-bottom:1px solid var(--muted)}
.wide{margin-bottom:1rem}
.wide .plot svg:not(.marks){height:11rem}
.plot .marks{grid-column:2;height:1rem;border:0;overflow:visible}
.marks text{fill:var(--text);font-size:.72rem;text-anchor:middle}
.y{display:flex;flex-direction:column;justify-content:space-between;text-align:right;margin:-.55rem 0;
white-space:nowrap}
.x{grid-column:2;display:flex;justify-content:space-between;gap:.5rem;padding-top:.25rem;
white-space:nowrap}
footer{padding:1.5rem 1.25rem 2.5rem;color:var(--muted);font-size:.85rem}
@media (max-width:44rem){
main,header,footer{padding-left:.85rem;padding-right:.85rem}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table,tbody,tr,th,td{display:block}
tbody tr{padding:.6rem 0;border-bottom:1px solid var(--line)}
tbody tr:first-child{padding-top:0}
tbody tr:last-child{border-bottom:0;padding-bottom:0}
tbody th,.totals tbody th,td{border:0;padding:.1rem 0;width:auto}
td{display:flex;justify-content:space-between;gap:1rem;text-align:left;white-space:normal}
td.number{text-align:left}
td::before{content:attr(data-label);color:var(--muted);flex:0 0 33%}
td>span{flex:1;min-width:0;overflow:hidden}
td.number>span{text-align:right}
}
@media print{
:root{color-scheme:light;--page:#fff}
@page{margin:14mm}
body{font-size:10pt}
main,header,footer{max-width:none;padding-left:0;padding-right:0}
.tile,.card,figure,.verdict{border-color:#bbb;break-inside:avoid}
.card{overflow:visible;break-inside:auto}
tr,h2,h3{break-inside:avoid}
h2,h3,thead{break-after:avoid}
.tiles{grid-template-columns:1fr 1fr}
.charts{grid-template-columns:1fr 1fr}
pre{max-height:none;overflow:visible}
rect,.key::before,.verdict,.share{-webkit-print-color-adjust:exact;print-color-adjust:exact}
}
"""
