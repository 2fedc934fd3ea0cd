// What a person does to the marks of a film: shown at once, sent in order, and sent again until the server took it.
const acts = (globalThis.loporeActs ??= { waiting: [], next: 1, data: null, selected: null, listeners: new Set() });

function tellActs(what) {
  acts.listeners.forEach((listener) => listener(what));
}

// data: {film, taken, selected, marks, classes}; taken: number of the last act that the server took.
function takeActs(data) {
  if (acts.data?.film !== data.film) Object.assign(acts, { waiting: [], selected: data.selected });
  acts.waiting = acts.waiting.filter((act) => act.seq > data.taken);
  acts.next = Math.max(acts.next, data.taken + 1);
  if (!acts.waiting.length && acts.served !== data.served) acts.selected = data.selected;
  Object.assign(acts, { data, served: data.served });
  tellActs("data");
}

// The marks as they are on the screen: what the server knows, and what is under way.
function seenMarks() {
  const marks = (acts.data?.marks ?? []).map((mark) => ({ ...mark }));
  for (const act of acts.waiting) {
    const mark = marks.find((one) => one.number === act.mark);
    if (!mark) continue;
    if (act.act === "accept" || act.act === "reject") mark.verdict = `${act.act}ed`;
    if (act.act === "reopen") mark.verdict = "open";
  }
  return marks;
}

function act(name, more = {}) {
  if (!acts.data || acts.data.locked || store.awaited !== null) return; // nobody decides on a film that is not there
  acts.waiting.push({ seq: acts.next++, act: name, ...more });
  acts.send?.("acts", { film: acts.data.film, acts: acts.waiting });
  touch();
  tellActs("act");
}

function select(number, jump = true) {
  acts.selected = number;
  acts.jump = jump;
  tellActs("selected");
  clearTimeout(acts.rest); // the form beside the table follows, once nobody steps on
  acts.rest = setTimeout(() => act("select", { mark: number }), 500);
}

// The number of the mark that a step leads to; undefined where there are none.
function markAfter(by) {
  const order = acts.order?.() ?? seenMarks().map((mark) => mark.number);
  const at = order.indexOf(acts.selected);
  return order[at < 0 ? (by > 0 ? 0 : order.length - 1) : (at + by + order.length) % order.length];
}

function step(by) {
  const number = markAfter(by);
  if (number !== undefined) select(number);
}

// After a verdict the next mark that is open; where none is, the mark stays.
function verdict(name) {
  if (acts.selected === null || store.awaited !== null) return;
  const number = acts.selected;
  act(name, { mark: number });
  const order = acts.order?.() ?? seenMarks().map((mark) => mark.number);
  const open = new Set(seenMarks().filter((mark) => mark.verdict === "open").map((mark) => mark.number));
  const from = order.indexOf(number);
  const next = [...order.slice(from + 1), ...order.slice(0, from)].find((one) => open.has(one));
  if (next !== undefined) select(next);
}

const typed = (event) => event.composedPath()[0].matches?.("input, textarea, select, [contenteditable]");

// One listener for the page, whichever part of it has the focus.
if (!globalThis.loporeKeys) {
  globalThis.loporeKeys = true;
  addEventListener("beforeunload", (event) => {
    const { data, waiting } = globalThis.loporeActs;
    const underWay = waiting.some(({ act }) => act !== "select"); // the server has not taken it yet
    if (data && (underWay || (!data.kept && data.marks.some((mark) => mark.verdict !== "open")))) event.preventDefault();
  });
  addEventListener("keydown", (event) => globalThis.loporeActs.key?.(event), true);
}
acts.key = (event) => {
  if (!acts.data || event.ctrlKey || event.metaKey || event.altKey || typed(event)) return;
  const work = {
    n: () => step(1), p: () => step(-1), a: () => verdict("accept"), r: () => verdict("reject"),
    o: () => acts.selected !== null && act("reopen", { mark: acts.selected }), u: () => act("undo"),
    l: () => tellActs("class"), b: () => tellActs("box"), "?": () => tellActs("help"),
    Delete: () => acts.selected !== null && act("erase", { mark: acts.selected }),
  }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (work) { event.preventDefault(); work(); } else if (!acts.viewKey?.(event)) return;
  event.stopImmediatePropagation(); // R would run the page anew
};
