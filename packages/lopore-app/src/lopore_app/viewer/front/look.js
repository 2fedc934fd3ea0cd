// How a film is seen, without touching the answer: turned, mirrored, inverted, its grey window in numbers, a glass, the
// whole screen; kept for each film until the browser's tab is closed.
const PRESETS = { own: "Film's own", whole: "Whole range", seen: "What is seen", given: "Own values" };

Object.assign(Viewer.prototype, {
  lookTools() {
    const way = element("span", "group");
    const named = [["Invert", "Bright and dark change places (I)", () => this.invert()], ["Turn", "A quarter turn clockwise (T)", () => this.turn()],
      ["Mirror", "Left and right change places (M)", () => this.mirror()], ["Glass", "A magnifying glass at the pointer (Z)", () => this.glass()],
      ["Full screen", "The film on the whole screen; Escape leads back", () => this.wholeScreen()]];
    this.lookButtons = Object.fromEntries(named.map(([name, title, work]) => [name, button(name, title, work)]));
    way.append(...Object.values(this.lookButtons));
    const grey = element("span", "group grey");
    this.preset = element("select");
    this.preset.setAttribute("aria-label", "Grey window");
    this.preset.title = "Which grey values are drawn black and white";
    Object.entries(PRESETS).forEach(([key, name]) => { const item = element("option", "", name); item.value = key; this.preset.append(item); });
    this.preset.addEventListener("input", () => this.takePreset(this.preset.value));
    this.ends = ["Black at grey", "White at grey"].map((label) => {
      const field = element("input", "end");
      field.type = "number";
      field.setAttribute("aria-label", label);
      field.title = label;
      field.addEventListener("change", () => this.takeEnds());
      return field;
    });
    grey.append(this.preset, ...this.ends);
    return [grey, way];
  },

  invert() {
    this.panes.forEach((pane) => { pane.inverted = !pane.inverted; });
    this.redraw();
  },

  turn() {
    this.view = { ...this.view, turn: ((this.view.turn ?? 0) + 1) % 4 };
    this.arrange();
  },

  mirror() {
    this.view = { ...this.view, mirrored: !this.view.mirrored };
    this.redraw();
  },

  native() {
    this.magnify(1 / (this.view.scale * (devicePixelRatio || 1)));
  },

  wholeScreen() {
    if (document.fullscreenElement) document.exitFullscreen(); else this.frame.requestFullscreen?.();
  },

  glass() {
    this.lensOn = !this.lensOn;
    if (!this.lensOn) this.panes.forEach((pane) => { pane.lens = null; });
    this.redraw();
  },

  // Three times what is seen, at least pixel by pixel.
  lensAt(pane, event) {
    this.panes.forEach((one) => { one.lens = null; });
    if (pane) {
      const box = pane.canvas.getBoundingClientRect();
      const [x, y] = pane.onFilm(this.view, event);
      const scale = Math.max(3 * this.view.scale, 1 / (devicePixelRatio || 1));
      pane.lens = { at: [event.clientX - box.left, event.clientY - box.top], radius: 110, view: { ...this.view, x, y, scale } };
    }
    this.redraw();
  },

  // A way on the screen as a way on the film.
  onTheFilm(right, down) {
    const [a, b, c, d] = orientation(this.view);
    return [(a * right + c * down) / this.view.scale, (b * right + d * down) / this.view.scale];
  },

  // Width and height of a film or a window as they lie on the other side of the turn.
  laid(width, height) {
    return (this.view.turn ?? 0) % 2 ? [height, width] : [width, height];
  },

  takePreset(name) {
    const pane = this.visible()[0];
    const peak = pane.part.depth === 16 ? 65535 : 255;
    if (name === "given") return;
    if (name === "own") this.panes.forEach((one) => { one.window = null; });
    if (name === "whole") this.takeWindow(pane, [0, peak]);
    if (name === "seen") this.takeWindow(pane, this.seenGreys(pane) ?? pane.window);
    this.redraw();
  },

  // Two panes of the same pixels, with and without heat, have one grey window; two films have their own.
  takeWindow(pane, window) {
    const same = this.panes.some((one) => one.part.same);
    (same ? this.panes : [pane]).forEach((one) => { one.window = window; });
  },

  takeEnds() {
    const [low, high] = this.ends.map((field) => Number(field.value));
    if (Number.isFinite(low) && Number.isFinite(high) && high > low) this.takeWindow(this.visible()[0], [low, high]);
    this.redraw();
  },

  // The 0.5 and 99.5 percentiles of what is on the screen.
  seenGreys(pane) {
    const [wide, high] = this.laid(pane.canvas.clientWidth / 2 / this.view.scale, pane.canvas.clientHeight / 2 / this.view.scale);
    const found = [];
    for (let row = 0; row < 120; row++) {
      for (let column = 0; column < 160; column++) {
        const at = pane.grey(this.view.x - wide + (2 * wide * (column + 0.5)) / 160, this.view.y - high + (2 * high * (row + 0.5)) / 120);
        if (at) found.push(at[0]);
      }
    }
    if (!found.length) return null;
    found.sort((one, other) => one - other);
    const low = found[Math.floor(found.length * 0.005)];
    return [low, Math.max(found[Math.ceil(found.length * 0.995) - 1], low + 1)];
  },

  showLook() {
    const pane = this.visible()[0];
    if (!pane?.part) return;
    const [low, high] = pane.limits().map((value) => Math.round(value));
    const focused = this.root.activeElement ?? document.activeElement;
    this.ends.forEach((field, at) => { if (field !== focused) field.value = [low, high][at]; });
    const peak = pane.part.depth === 16 ? 65535 : 255;
    this.preset.value = !pane.window ? "own" : low === 0 && high === peak ? "whole" : "given";
    pressed(this.lookButtons.Invert, pane.inverted);
    pressed(this.lookButtons.Turn, Boolean(this.view.turn));
    pressed(this.lookButtons.Mirror, Boolean(this.view.mirrored));
    pressed(this.lookButtons.Glass, Boolean(this.lensOn));
    this.lookButtons["Full screen"].hidden = !document.fullscreenEnabled;
  },

  keepLook() {
    const pane = this.panes[0];
    const look = { view: this.view, fitted: this.fitted, window: pane.window, inverted: pane.inverted, lines: this.lines };
    try { sessionStorage.setItem(`lopore-look/${this.data.film}`, JSON.stringify(look)); } catch { /* a full store keeps nothing more */ }
  },

  restoreLook() {
    const kept = JSON.parse(sessionStorage.getItem(`lopore-look/${this.data.film}`) ?? "null");
    this.lines = kept?.lines ?? [];
    this.view = kept?.view ?? { x: 0, y: 0, scale: 1 };
    this.fitted = kept?.fitted ?? true;
    this.panes.forEach((pane) => { pane.inverted = kept?.inverted ?? false; });
    this.panes[0].window = kept?.window ?? null;
    if (this.panes.some((one) => one.part.same)) this.takeWindow(this.panes[0], this.panes[0].window);
  },

  // A length that one can read: 1, 2 or 5 of a unit, in mm where the pitch is known.
  drawScaleBar(pane) {
    const unit = this.data.pitch || 1;
    const most = 150 / this.view.scale * unit;
    const power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].map((step) => step * power).find((one) => one <= most);
    const wide = (length / unit) * this.view.scale;
    const ink = pane.ink;
    const [left, base] = [14, pane.canvas.clientHeight - 14];
    const text = `${Number(length.toPrecision(3))} ${this.data.pitch ? "mm" : "px"}`;
    ink.font = "600 12px system-ui, sans-serif";
    ink.fillStyle = "rgba(12,13,16,.72)";
    ink.fillRect(left - 7, base - 22, Math.max(wide, ink.measureText(text).width) + 14, 30);
    ink.fillStyle = ink.strokeStyle = "#e8eaed";
    ink.lineWidth = 2;
    ink.beginPath();
    ink.moveTo(left, base - 3);
    ink.lineTo(left, base + 2);
    ink.lineTo(left + wide, base + 2);
    ink.lineTo(left + wide, base - 3);
    ink.stroke();
    ink.fillText(text, left, base - 8);
  },
});
