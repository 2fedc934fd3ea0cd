// The enhancement chain: steps in order, each on or off, with a dial for every parameter.
// The browser holds what is dialled; the server answers with times, the curve and what was wrong.
const EDITORS = new WeakMap();
const PATIENCE = 900; // ms until a new value is sent although the last one is not answered yet
const CURVE_REST = 220;

class ChainEditor {
  constructor(root) {
    this.list = element("div", "chain");
    this.wrong = element("div", "wrong");
    this.wrong.setAttribute("role", "alert");
    root.append(this.list, this.wrong);
    this.seq = 0;
    this.moved = null;
  }

  close() {
    clearTimeout(this.later);
    clearTimeout(this.patience);
  }

  update(data) {
    if (data.version !== this.version) {
      this.version = data.version;
      this.seq = Math.max(this.seq, data.done);
      this.steps = data.steps.map((step) => ({ ...step, controls: step.controls.map((item) => ({ ...item })) }));
      this.waiting = this.dirty = false;
      this.moved = data.curve ? [data.curve.step, data.curve.name] : null;
      this.empty = data.empty;
      this.build();
    }
    if (data.empty !== this.empty && !this.steps.length) { this.empty = data.empty; this.build(); }
    data.steps.forEach((step) => {
      const cost = this.list.querySelector(`[data-cost="${step.id}"]`);
      if (cost) cost.textContent = step.ms === null ? "" : `${step.ms < 9.95 ? step.ms.toFixed(1) : Math.round(step.ms)} ms`;
    });
    this.wrong.textContent = data.error ?? "";
    this.drawCurves(data.curve);
    if (this.waiting && data.done >= this.sent) {
      this.waiting = false;
      clearTimeout(this.patience);
      if (this.dirty) this.flush();
    }
    if (!this.waiting) this.wishCurve(data);
  }

  wishCurve(data) {
    clearTimeout(this.later);
    const [step, name] = this.moved ?? [];
    // Asked once for each film and state of the dials; a server that has no curve for it is not asked again.
    const about = JSON.stringify([data.film, step, name, this.steps.map((item) => [item.id, item.on])]);
    if (this.live || name === undefined || data.error || (data.curve?.step === step && data.curve?.name === name)) return;
    if (this.wished === about) return;
    this.later = setTimeout(() => { this.wished = about; this.changed(false, true); }, CURVE_REST);
  }

  changed(live, curve = false) {
    this.live = live;
    this.curve = curve;
    this.dirty = true;
    touch();
    clearTimeout(this.later);
    if (!this.waiting) this.flush();
  }

  flush() {
    this.dirty = false;
    this.waiting = true;
    this.sent = ++this.seq;
    clearTimeout(this.patience);
    this.patience = setTimeout(() => { this.waiting = false; if (this.dirty) this.flush(); }, PATIENCE);
    this.send("edit", {
      version: this.version, seq: this.sent, live: this.live, curve: this.curve, moved: this.moved,
      steps: this.steps.map((step) => ({
        id: step.id, name: step.name, on: step.on,
        values: Object.fromEntries(step.controls.map((item) => [item.name, item.value])),
      })),
    });
  }

  build() {
    this.list.replaceChildren(...this.steps.map((step, at) => this.card(step, at)));
    if (!this.steps.length) this.list.append(element("div", "empty", this.empty));
  }

  card(step, at) {
    const box = element("section", step.on ? "step" : "step off");
    box.setAttribute("aria-label", step.title);
    const head = element("header");
    const on = element("input");
    Object.assign(on, { type: "checkbox", checked: step.on, title: "On or off" });
    on.setAttribute("aria-label", `${step.title} on`);
    on.addEventListener("change", () => {
      step.on = on.checked;
      box.classList.toggle("off", !step.on);
      this.changed(false);
    });
    const name = element("span", "name", step.title);
    name.title = step.summary;
    const cost = element("span", "cost");
    cost.dataset.cost = step.id;
    const shift = (by) => () => {
      this.steps.splice(at, 1);
      if (by) this.steps.splice(at + by, 0, step);
      this.build();
      this.focus(by ? at + by : Math.min(at, this.steps.length - 1), by);
      this.changed(false);
    };
    const up = button("↑", "Earlier", shift(-1));
    const down = button("↓", "Later", shift(1));
    const out = button("×", "Take out", shift(0));
    [[up, "earlier"], [down, "later"], [out, "out"]].forEach(([item, word]) => item.setAttribute("aria-label", `${step.title} ${word}`));
    up.disabled = at === 0;
    down.disabled = at === this.steps.length - 1;
    head.append(on, name, cost, up, down, out);
    box.append(head, ...step.controls.map((item) => this.control(step, item)));
    return box;
  }

  // The list was built anew: whoever moves steps by keyboard stays at the step that moved.
  focus(at, by) {
    const buttons = [...(this.list.children[at]?.querySelectorAll("header button") ?? [])];
    const wanted = [by < 0 ? 0 : by > 0 ? 1 : 2, 2].map((place) => buttons[place]).find((item) => item && !item.disabled);
    wanted?.focus();
  }

  control(step, item) {
    const row = element("div", "row");
    const label = element("label");
    label.append(element("span", "what", item.label));
    label.title = item.help ?? "";
    const set = (value, live) => {
      item.value = value;
      this.moved = item.kind === "dial" ? [step.id, item.name] : this.moved;
      this.changed(live);
    };
    row.append(label);
    if (item.kind === "dial") label.append(...dial(item, set));
    else if (item.kind === "choice") label.append(choice(item, set));
    else if (item.kind === "switch") label.append(toggle(item, set));
    else label.append(entry(item, set));
    const curve = element("div", "curve");
    curve.dataset.curve = `${step.id}/${item.name}`;
    row.append(curve);
    return row;
  }

  drawCurves(curve) {
    const wanted = curve ? `${curve.step}/${curve.name}` : null;
    this.list.querySelectorAll(".curve").forEach((box) => {
      if (box.dataset.curve === wanted) box.replaceChildren(...image(curve)); else box.replaceChildren();
    });
  }
}

const toShare = (item, value) => item.log
  ? Math.log(value / item.low) / Math.log(item.high / item.low) : (value - item.low) / (item.high - item.low);

function fromShare(item, share) {
  const value = item.log ? item.low * (item.high / item.low) ** share : item.low + share * (item.high - item.low);
  if (item.whole) return Math.round(value);
  const near = item.log ? Number(value.toPrecision(2)) : Math.round(value / item.step) * item.step;
  return Math.min(Math.max(Number(near.toPrecision(6)), item.low), item.high);
}

function dial(item, set) {
  const slider = element("input");
  const ticks = item.whole && !item.log ? item.high - item.low : 200;
  Object.assign(slider, { type: "range", min: 0, max: ticks, step: 1, value: Math.round(toShare(item, item.value) * ticks) });
  slider.setAttribute("aria-label", item.label);
  const number = element("input", "number");
  Object.assign(number, { type: "number", min: item.low, max: item.high, step: "any", value: item.value });
  number.setAttribute("aria-label", `${item.label} value`);
  const moved = (live) => () => {
    number.value = fromShare(item, slider.value / ticks);
    set(Number(number.value), live);
  };
  slider.addEventListener("input", moved(true));
  slider.addEventListener("change", moved(false));
  number.addEventListener("change", () => {
    const given = Number(number.value);
    const value = Math.min(Math.max(Number.isFinite(given) ? given : item.low, item.low), item.high);
    number.value = item.whole ? Math.round(value) : value;
    slider.value = Math.round(toShare(item, Number(number.value)) * ticks);
    set(Number(number.value), false);
  });
  return [slider, number];
}

function choice(item, set) {
  const box = element("select");
  item.choices.forEach((name) => box.append(element("option", "", String(name))));
  box.value = String(item.value);
  box.addEventListener("change", () => set(item.choices[box.selectedIndex], false));
  return box;
}

function toggle(item, set) {
  const box = element("input");
  Object.assign(box, { type: "checkbox", checked: item.value });
  box.addEventListener("change", () => set(box.checked, false));
  return box;
}

function entry(item, set) {
  const box = element("input", "number wide");
  const numeric = item.kind === "number";
  Object.assign(box, { type: numeric ? "number" : "text", step: item.whole ? 1 : "any", value: item.value ?? "" });
  box.addEventListener("change", () => set(numeric ? Number(box.value) : box.value, false));
  return box;
}

// Confidence over the range of one parameter, the threshold and where the dial stands now.
function image(curve) {
  const [wide, high, pad] = [260, 66, 5];
  const made = (tag, facts) => {
    const item = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(facts).forEach(([name, value]) => item.setAttribute(name, value));
    return item;
  };
  const x = (value) => pad + toShare(curve, value) * (wide - 2 * pad);
  const y = (score) => high - pad - score * (high - 2 * pad);
  const svg = made("svg", { viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": curve.label });
  svg.append(made("line", { x1: pad, x2: wide - pad, y1: y(0), y2: y(0), class: "axis" }));
  if (curve.threshold > 0) svg.append(made("line", { x1: pad, x2: wide - pad, y1: y(curve.threshold), y2: y(curve.threshold), class: "limit" }));
  svg.append(made("polyline", { points: curve.points.map(([value, score]) => `${x(value)},${y(score)}`).join(" "), class: "path" }));
  curve.points.forEach(([value, score]) => svg.append(made("circle", { cx: x(value), cy: y(score), r: 1.8, class: "point" })));
  svg.append(made("line", { x1: x(curve.now[0]), x2: x(curve.now[0]), y1: pad, y2: high - pad, class: "now" }));
  svg.append(made("circle", { cx: x(curve.now[0]), cy: y(curve.now[1]), r: 4, class: "here" }));
  return [svg, element("div", "axes", curve.label)];
}

export default mount(EDITORS, ChainEditor);
