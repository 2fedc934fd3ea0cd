// Images of one film side by side, at one place and one magnification.
const VIEWERS = new WeakMap();
const REST = 160; // ms without a move until sharper pixels are asked for

const pressed = (item, on) => {
  item.classList.toggle("on", on);
  item.setAttribute("aria-pressed", on); // what the eye sees by colour
};

class Viewer {
  constructor(root) {
    this.root = root;
    this.view = { x: 0, y: 0, scale: 1 };
    this.fitted = true;
    this.tool = "Pan";
    this.shown = "Both";
    this.opacity = Number(sessionStorage.getItem("lopore-opacity") ?? 0.55);
    this.colour = sessionStorage.getItem("lopore-colours") ?? "inferno";
    this.outlined = sessionStorage.getItem("lopore-outlines") !== "off";
    this.frame = element("div", "viewer");
    this.bar = element("div", "bar");
    this.grid = element("div", "grid");
    this.graph = element("canvas", "graph");
    this.status = element("div", "status");
    this.where = element("span", "where");
    this.legend = element("span", "legend");
    this.status.append(this.where, this.legend);
    this.frame.append(this.bar, this.grid, this.graph, this.status);
    root.append(this.frame);
    this.panes = [];
    this.lines = [];
    this.tools();
    this.listener = () => {
      const another = store.awaited !== null && this.data && store.awaited !== this.data.owner;
      if (another) this.paint(); else this.redraw(); // the film before goes at once, not with the next frame
    };
    store.listeners.add(this.listener);
    this.watcher = new ResizeObserver(() => this.arrange());
    this.watcher.observe(this.grid);
    this.gestures();
  }

  close() {
    store.listeners.delete(this.listener);
    acts.listeners.delete(this.actListener);
    acts.viewKey = null;
    if (acts.data && this.desk) acts.data = null;
    if (store.awaited !== null) expect(null);
    this.watcher.disconnect();
    clearTimeout(this.rest);
  }

  tools() {
    const group = (names, titles, now, choose) => {
      const box = element("span", "group");
      const made = names.map((name, at) => button(name, titles[at], () => { mark(at); choose(name); }));
      const mark = (at) => made.forEach((item, one) => pressed(item, one === at));
      box.append(...made);
      mark(names.indexOf(now));
      return box;
    };
    const tool = group(
      ["Pan", "Window", "Line", "Area"],
      ["Drag moves the film, the wheel magnifies", "Drag sets grey level (up, down) and width (left, right); so does the right button with any tool",
       "Draw a line: its length and the grey values along it; Escape takes the last one away", "Drag a box: its mean, deviation, SNR and CNR"],
      this.tool, (name) => { this.tool = name; this.frame.dataset.tool = name; },
    );
    this.areaTool = tool.lastChild;
    this.sides = group(
      ["Both", "Original", "Enhanced"], ["Side by side", "The film alone", "What the network is given, alone"],
      this.shown, (name) => { this.shown = name; this.arrange(); },
    );
    const zoom = element("span", "group");
    zoom.append(
      button("Fit", "The whole film (F)", () => this.fit()),
      button("1:1", "One film pixel on one screen pixel (1)", () => this.native()),
    );
    this.outlineTool = element("span", "group");
    const outlines = button("Outlines", "Lines around what the model found, on or off (O)", () => this.outline(!this.outlined));
    this.outlineTool.append(outlines);
    this.heatTools = element("span", "heat");
    const opacity = element("input");
    Object.assign(opacity, { type: "range", min: 0, max: 1, step: 0.01, value: this.opacity, title: "Opacity of the heat map" });
    opacity.setAttribute("aria-label", "Opacity");
    opacity.addEventListener("input", () => {
      this.opacity = Number(opacity.value);
      sessionStorage.setItem("lopore-opacity", this.opacity);
      this.redraw();
    });
    const colours = element("select");
    colours.title = "Colours of the heat map";
    colours.setAttribute("aria-label", colours.title);
    Object.keys(COLOURS).forEach((name) => colours.append(element("option", "", name)));
    colours.value = this.colour in COLOURS ? this.colour : Object.keys(COLOURS)[0];
    this.colour = colours.value;
    colours.addEventListener("input", () => {
      this.colour = colours.value;
      sessionStorage.setItem("lopore-colours", this.colour);
      this.drawLegend();
      this.redraw();
    });
    this.heatTools.append(element("span", "label", "Heat"), opacity, colours);
    this.bar.append(tool, this.sides, zoom, ...this.lookTools(), this.outlineTool, this.heatTools);
    this.outline(this.outlined);
    this.frame.dataset.tool = this.tool;
  }

  outline(on) {
    this.outlined = on;
    sessionStorage.setItem("lopore-outlines", on ? "on" : "off");
    pressed(this.outlineTool.firstChild, on);
    this.redraw();
  }

  update(data) {
    this.frame.style.setProperty("--around", `${data.around}px`);
    const other = data.film !== this.data?.film;
    this.data = data;
    if (other && store.awaited === null) expect(data.owner);
    while (this.panes.length < data.panes.length) this.panes.push(new Pane(this.grid));
    while (this.panes.length > data.panes.length) this.panes.pop().box.remove();
    data.panes.forEach((part, at) => this.panes[at].describe(part));
    if (other) this.restoreLook();
    this.areaTool.hidden = !data.areas;
    this.sides.hidden = data.panes.length !== 2;
    if (!this.sides.hidden) this.sides.lastChild.textContent = data.desk ? "The other" : data.panes[1].same ? "With heat" : "Enhanced";
    if (data.desk) this.sides.children[1].textContent = "This film";
    this.outlineTool.hidden = !data.marks;
    this.heatTools.hidden = !data.panes.some((part) => part.heat);
    this.deskUpdate(data.desk);
    this.drawLegend();
    this.arrange();
    this.drawGraph();
  }

  visible() {
    const one = this.panes.length === 2 && this.shown !== "Both";
    return one ? [this.panes[this.shown === "Original" ? 0 : 1]] : this.panes;
  }

  // As many columns as show the film largest.
  arrange() {
    if (!this.data) return;
    const shown = this.visible();
    this.panes.forEach((pane) => { pane.box.hidden = !shown.includes(pane); });
    const width = this.grid.clientWidth;
    const beside = this.frame.clientHeight - this.grid.clientHeight;
    const height = Math.max(430, innerHeight - this.data.around) - beside;
    const [filmWidth, filmHeight] = this.laid(this.data.width, this.data.height);
    let best = [0, 1];
    for (let columns = 1; columns <= shown.length; columns++) {
      const rows = Math.ceil(shown.length / columns);
      const scale = Math.min(width / columns / filmWidth, height / rows / filmHeight);
      if (scale > best[0]) best = [scale, columns];
    }
    const rows = Math.ceil(shown.length / best[1]);
    // No taller than the film needs: bars of black are no use. A whole film is looked at in parts.
    const needed = rows * (((width / best[1]) * filmHeight) / filmWidth + 24) + beside;
    this.frame.style.maxHeight = `${Math.max(this.data.desk ? beside + Math.min(Math.max(0.45 * width, 180), 270) : 320, Math.ceil(needed))}px`;
    this.grid.style.gridTemplate = `repeat(${rows}, minmax(0, 1fr)) / repeat(${best[1]}, minmax(0, 1fr))`;
    if (this.fitted) this.fit(); else this.redraw();
  }

  fit() {
    const pane = this.visible()[0];
    if (!pane || !this.data) return;
    this.jumped = false;
    const { clientWidth: width, clientHeight: height } = pane.canvas;
    const [filmWidth, filmHeight] = this.laid(this.data.width, this.data.height);
    this.view = { ...this.view, x: this.data.width / 2, y: this.data.height / 2, scale: Math.min(width / filmWidth, height / filmHeight) };
    this.fitted = true;
    this.redraw();
  }

  magnify(factor, at) {
    const [x, y] = at ?? [this.view.x, this.view.y];
    const scale = Math.min(Math.max(this.view.scale * factor, 0.005), 64);
    const real = scale / this.view.scale;
    this.jumped = false;
    this.view = { ...this.view, x: x + (this.view.x - x) / real, y: y + (this.view.y - y) / real, scale };
    this.fitted = false;
    this.redraw();
  }

  redraw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => { this.pending = 0; this.paint(); });
  }

  paint() {
    const colours = { name: this.colour, table: COLOURS[this.colour] };
    if (!this.data) return;
    const other = store.awaited !== null && store.awaited !== this.data.owner;
    for (const pane of this.visible()) {
      if (other) { pane.blank("Loading the film"); continue; }
      pane.paint(this.view, this.opacity, colours);
      if (!pane.there) pane.wait(`Loading ${this.data.name}`);
      else pane.arrived();
      if (this.data.marks && this.outlined && pane.ink) this.drawMarks(pane);
      if (this.desk && pane.ink) this.drawDesk(pane);
      if (pane.ink && pane.there) { this.drawMeasures(pane); this.drawScaleBar(pane); }
      const [low, high] = pane.limits();
      const sizes = `${pane.part.width} × ${pane.part.height} px, ${pane.part.depth} bit`;
      const grey = pane.part.depth === 16 || pane.window || this.desk ? `, grey ${Math.round(low)} to ${Math.round(high)}` : "";
      const whose = this.visible()[0] === pane ? `${this.data.name}  ·  ` : "";
      pane.caption.textContent = `${whose}${pane.part.title}  ·  ${sizes}${grey}`;
      pane.canvas.setAttribute("aria-label", `${pane.part.title}, ${sizes}`);
    }
    this.timePixels();
    if (this.overview) this.drawOverview();
    this.showLook();
    // On the page of a whole film what stands beside and under the image comes after it.
    const complete = !this.desk || store.slots.get("film/complete")?.id === this.desk.film;
    if (!other && complete && store.awaited !== null && this.visible().every((pane) => pane.there)) expect(null);
    clearTimeout(this.rest);
    this.rest = setTimeout(() => { this.keepLook(); this.askForPixels(); }, this.landed ? 0 : REST);
    this.landed = false;
  }
}

export default mount(VIEWERS, Viewer);
