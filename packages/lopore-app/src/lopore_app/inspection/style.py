"""The page's few rules of style; colours come from the theme."""

from __future__ import annotations

from lopore_app.theme import options

_THEME = options()
_GROUND = f"light-dark({_THEME['theme.light.backgroundColor']}, {_THEME['theme.dark.backgroundColor']})"

STYLE = """<style>
.stMainBlockContainer { padding: 3.9rem 1.5rem 1rem; max-width: none; }
[data-testid="stSidebarHeader"] { height: 2.6rem; margin: 0; }
#stSidebar[data-collapsed="false"] { width: 252px !important; min-width: 252px !important; }
[data-testid="stSidebarUserContent"] { padding: 0 0 1rem; }
.st-key-welcome { padding-top: 18vh; }
.st-key-card { padding: .7rem .9rem .8rem; }
.st-key-card h3 { padding: 0; font-size: 1.35rem; }
.stColumn > .stVerticalBlock > [data-testid="stLayoutWrapper"]:has(.st-key-card) { position: sticky; top: 3.75rem;
  z-index: 3; background: GROUND; max-height: 60vh; overflow-y: auto; flex-shrink: 0; scrollbar-width: thin; }
.lopore-bar { display: grid; grid-template-columns: 1fr auto; column-gap: 8px; font-size: .86rem; margin-bottom: 5px; }
.lopore-bar span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lopore-bar b { font-variant-numeric: tabular-nums; font-weight: 600; }
.lopore-bar i { grid-column: 1 / 3; height: 5px; border-radius: 3px; background: rgb(128 136 148 / 22%);
  overflow: hidden; }
.lopore-bar u { display: block; height: 100%; border-radius: 3px; }
.lopore-caution { font-size: .84rem; line-height: 1.35; border-left: 3px solid #f2b01e;
  padding: 1px 0 1px 9px; margin-bottom: 7px; }
.lopore-caution.grave { border-left-color: #d9372c; font-weight: 600; }
.stHtml .lopore-facts { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 3px 10px; font-size: .84rem;
  line-height: 1.35; margin: 0 !important; padding: 0 !important; font-variant-numeric: tabular-nums; }
.stHtml .lopore-facts.long { grid-template-columns: minmax(0, 1fr); gap: 0; max-height: 340px; overflow-y: auto; }
.lopore-facts.long dd { margin-bottom: 5px; }
.lopore-facts dt { font-weight: 600; margin: 0; } .lopore-facts dd { margin: 0; overflow-wrap: anywhere; }
.st-key-call-unjudged { border-left: 8px solid #7d6bb3; padding-left: .6rem;
  border-image: repeating-linear-gradient(135deg, #7d6bb3 0 4px, transparent 4px 7px) 8; }
.lopore-doubts summary { font-size: .84rem; font-weight: 600; cursor: pointer; margin-bottom: 6px; }
.lopore-found { font-size: .82rem; line-height: 1.5; font-variant-numeric: tabular-nums; }
.lopore-found > b { font-weight: 600; }
.lopore-found section { max-height: 9.6em; overflow-y: auto; scrollbar-width: thin; padding-right: 4px; }
.lopore-found div { display: grid; grid-template-columns: 20px minmax(0, 1fr) auto auto auto; column-gap: 8px; }
.lopore-found i { font-style: normal; font-weight: 600; font-size: .72rem; line-height: 15px; height: 15px;
  align-self: center; text-align: center; border-radius: 3px; color: #0c0d10; }
.lopore-found span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lopore-found em { font-style: normal; text-align: right; white-space: nowrap; }
.lopore-found small { opacity: .75; }
.lopore-nofilm { height: max(430px, calc(100vh - var(--around))); display: grid; place-items: center;
  border-radius: 8px; background: #14161a; color: #aab2bc; font-size: .9rem; }
.lopore-awaits .st-key-card > *, .lopore-awaits .st-key-verdict, .lopore-awaits .st-key-verdict *,
.lopore-awaits .st-key-of_film, .lopore-awaits .st-key-of_film *,
.lopore-awaits .st-key-below_film, .lopore-awaits .st-key-below_film * {
  visibility: hidden !important; }
.lopore-awaits .st-key-dials { pointer-events: none; }
.stMain [data-stale="true"] { opacity: 1 !important; transition: none !important; }
.st-key-narrow { display: none; }
@media (max-width: 768px) { .st-key-narrow { display: block; } }
@media (max-width: 899px) {
  .stColumn:has(.st-key-dials), .stColumn:has(.st-key-image), .stColumn:has(.st-key-film) {
    flex: 1 1 100% !important; min-width: 100% !important; } }
@media (min-width: 900px) {
  .stColumn:has(.st-key-film) { flex: 1 1 0 !important; min-width: 0; }
  .stColumn:has(.st-key-image) {
    position: sticky; top: 3.9rem; align-self: flex-start; flex: 1 1 0 !important; min-width: 0; }
  .stColumn:has(.st-key-dials) { flex: 0 0 clamp(264px, 23vw, 400px) !important; min-width: 0; }
}
</style>""".replace("GROUND", _GROUND)
