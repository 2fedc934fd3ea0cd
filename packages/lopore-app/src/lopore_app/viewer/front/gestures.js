// What mouse and keys do in the viewer; what a segmentation model found; the scale of the heat.

Object.assign(Viewer.prototype, {
  gestures() {
    this.touches = new Map();
    const paneOf = (event) => this.panes.find((pane) => event.composedPath().includes(pane.canvas));
    this.grid.addEventListener("contextmenu", (event) => event.preventDefault());
    this.grid.addEventListener("wheel", (event) => {
      const pane = paneOf(event);
      if (!pane) return;
      event.preventDefault();
      this.magnify(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), pane.onFilm(this.view, event));
    }, { passive: false });
    this.grid.addEventListener("pointerdown", (event) => {
      const pane = paneOf(event);
      if (!pane || !this.data) return;
      pane.canvas.setPointerCapture(event.pointerId);
      this.touches.set(event.pointerId, event);
      if (this.touches.size === 2) { this.drag = this.sketch = null; this.pinched(pane); return; }
      if (this.deskDown(pane, event)) return;
      const tool = event.button === 2 ? "Window" : this.tool;
      this.drag = { pane, tool, x: event.clientX, y: event.clientY, view: this.view, limits: pane.limits() };
      if (tool === "Line" || tool === "Area") this.drag.drawn = [...pane.onFilm(this.view, event), ...pane.onFilm(this.view, event)];
    });
    this.grid.addEventListener("pointermove", (event) => {
      const pane = paneOf(event);
      if (pane && this.data) this.readOut(pane, event);
      if (this.lensOn) this.lensAt(pane, event);
      if (this.touches.has(event.pointerId)) this.touches.set(event.pointerId, event);
      if (this.touches.size === 2) { if (pane) this.pinched(pane); return; }
      if (this.deskMove(pane, event)) return;
      if (this.drag) this.dragged(event);
    });
    const end = (event) => {
      this.touches.delete(event.pointerId);
      this.pinch = null;
      if (this.deskUp(event)) return;
      const done = this.drag;
      this.drag = null;
      if (done?.drawn) this.measureDrawn(done.tool, done.drawn);
    };
    this.grid.addEventListener("pointerup", end);
    this.grid.addEventListener("pointercancel", end);
    this.grid.tabIndex = 0;
    this.grid.setAttribute("role", "group");
    this.grid.setAttribute("aria-label", "Film: F fits it, + and - magnify, Shift with an arrow moves it, I inverts, T turns, M mirrors, Z is a glass, O shows or hides outlines");
    this.grid.addEventListener("keydown", (event) => {
      const way = event.shiftKey && { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (way) { event.preventDefault(); this.shift(...way); return; }
      if (event.key === "Enter" && this.sketch?.tool === "polyline") { this.endSketch(); return; }
      this.viewKey(event);
    });
  },

  // Keys that change how the film is seen; whether this was one.
  viewKey(event) {
    const work = {
      f: () => this.fit(), "+": () => this.magnify(1.25), "-": () => this.magnify(0.8), 1: () => this.native(),
      i: () => this.invert(), t: () => this.turn(), m: () => this.mirror(), z: () => this.glass(),
      Escape: () => this.leave(), o: this.desk ? null : () => this.outline(!this.outlined),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!work || event.ctrlKey || event.metaKey || event.altKey) return false;
    event.preventDefault();
    work();
    return true;
  },

  // Two fingers magnify at the place between them and move it along.
  pinched(pane) {
    const [one, other] = [...this.touches.values()];
    const apart = Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    const middle = { clientX: (one.clientX + other.clientX) / 2, clientY: (one.clientY + other.clientY) / 2 };
    const at = pane.onFilm(this.view, middle);
    if (this.pinch) {
      const [x, y] = [this.view.x + this.pinch.at[0] - at[0], this.view.y + this.pinch.at[1] - at[1]];
      this.view = { ...this.view, x, y };
      this.magnify(apart / Math.max(this.pinch.apart, 1), this.pinch.at);
    }
    this.pinch = { apart, at: pane.onFilm(this.view, middle) };
  },

  // An eighth of what is seen, whatever the magnification.
  shift(right, down) {
    const { clientWidth: width, clientHeight: height } = this.visible()[0].canvas;
    const [across, along] = this.onTheFilm((right * width) / 8, (down * height) / 8);
    const [x, y] = [this.view.x + across, this.view.y + along];
    this.jumped = false;
    this.view = { ...this.view, x, y };
    this.fitted = false;
    this.redraw();
  },

  dragged(event) {
    const { pane, tool, x, y, view, limits } = this.drag;
    const [right, down] = [event.clientX - x, event.clientY - y];
    if (tool === "Pan") {
      const [across, along] = this.onTheFilm(right, down);
      this.view = { ...view, x: view.x - across, y: view.y - along };
      this.jumped = false;
      this.fitted = false;
    } else if (tool === "Window") {
      const peak = pane.part.depth === 16 ? 65535 : 255;
      const auto = pane.part.auto[1] - pane.part.auto[0];
      const width = Math.min(Math.max((limits[1] - limits[0]) * Math.exp(right / 200), 2), 2 * peak);
      const level = (limits[0] + limits[1]) / 2 - (down / 300) * auto;
      this.takeWindow(pane, [level - width / 2, level + width / 2]);
    } else {
      this.drag.drawn.splice(2, 2, ...pane.onFilm(this.view, event));
    }
    this.redraw();
  },

  // What a segmentation model found: a line around each region, and the number that the list beside has for it.
  drawMarks(pane) {
    const ink = pane.ink;
    const { lines, tags } = this.data.marks;
    ink.lineJoin = "round";
    for (const { points, colour } of lines) {
      const path = new Path2D();
      for (let at = 0; at < points.length; at += 2) path.lineTo(...pane.onScreen(this.view, points[at], points[at + 1]));
      path.closePath();
      for (const [width, stroke] of [[3.5, "rgba(0,0,0,.6)"], [1.5, colour]]) {
        ink.lineWidth = width;
        ink.strokeStyle = stroke;
        ink.stroke(path);
      }
    }
    ink.font = "600 11px system-ui, sans-serif";
    for (const { text, x, y, colour } of tags) {
      const [right, top] = pane.onScreen(this.view, x, y);
      const wide = ink.measureText(text).width + 7;
      const left = Math.min(Math.max(right + 3, 2), pane.canvas.clientWidth - wide - 2);
      const above = Math.min(Math.max(top - 15, 2), pane.canvas.clientHeight - 17);
      ink.fillStyle = colour;
      ink.fillRect(left, above, wide, 15);
      ink.fillStyle = "#0c0d10";
      ink.fillText(text, left + 3.5, above + 11);
    }
  },

  drawLegend() {
    const hot = this.panes.filter((pane) => pane.part.heat);
    this.legend.hidden = hot.length !== 1;
    this.panes.forEach((pane) => { pane.scale.hidden = hot.length < 2 || !pane.part.heat; });
    hot.forEach((pane) => (hot.length === 1 ? this.legend : pane.scale).replaceChildren(...this.scaleBar(pane.part.heat, hot.length === 1)));
  },

  scaleBar(heat, whole) {
    const ramp = element("span", "ramp");
    const table = COLOURS[this.colour];
    const stops = [0, 32, 64, 96, 128, 160, 192, 224, 255].map((at) => `rgb(${table.slice(3 * at, 3 * at + 3).join()})`);
    ramp.style.background = `linear-gradient(90deg, ${stops.join()})`;
    const number = (value) => Number(value.toPrecision(3)).toString();
    ramp.title = "Raw values of the explainer, not stretched to this film. A logit is a score before it becomes a probability.";
    const bar = [element("b", "", number(heat.low)), ramp, element("b", "", number(heat.high)), element("span", "", heat.unit)];
    return whole ? [element("span", "what", heat.label), ...bar] : bar;
  },
});
