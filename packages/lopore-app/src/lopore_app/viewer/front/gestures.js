// What mouse and keys do in the viewer; the line with its profile; the scale of the heat.

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
      if (tool === "Line") this.line = [...pane.onFilm(this.view, event), ...pane.onFilm(this.view, event)];
    });
    this.grid.addEventListener("pointermove", (event) => {
      const pane = paneOf(event);
      if (pane && this.data) this.readOut(pane, event);
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
      if (done?.tool !== "Line") return;
      if (this.length() < 2) { this.line = null; this.redraw(); }
      this.send("line", { film: this.data.film, points: this.line });
      touch();
    };
    this.grid.addEventListener("pointerup", end);
    this.grid.addEventListener("pointercancel", end);
    this.grid.tabIndex = 0;
    this.grid.setAttribute("role", "group");
    this.grid.setAttribute("aria-label", "Film: F fits it, + and - magnify, Shift with an arrow moves it, O shows or hides outlines");
    this.grid.addEventListener("keydown", (event) => {
      const way = event.shiftKey && { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (way) { event.preventDefault(); this.shift(...way); return; }
      if (event.key === "Enter" && this.sketch?.tool === "polyline") { this.endSketch(); return; }
      const work = {
        f: () => this.fit(), "+": () => this.magnify(1.25), "-": () => this.magnify(0.8),
        1: () => this.magnify(1 / (this.view.scale * (devicePixelRatio || 1))), Escape: () => (this.desk && this.drawing ? this.draw(null) : this.forgetLine()),
        o: this.desk ? null : () => this.outline(!this.outlined),
      }[event.key];
      if (work) { event.preventDefault(); work(); }
    });
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
    const [x, y] = [this.view.x + (right * width) / 8 / this.view.scale, this.view.y + (down * height) / 8 / this.view.scale];
    this.view = { ...this.view, x, y };
    this.fitted = false;
    this.redraw();
  },

  dragged(event) {
    const { pane, tool, x, y, view, limits } = this.drag;
    const [right, down] = [event.clientX - x, event.clientY - y];
    if (tool === "Pan") {
      this.view = { ...view, x: view.x - right / view.scale, y: view.y - down / view.scale };
      this.fitted = false;
    } else if (tool === "Window") {
      const peak = pane.part.depth === 16 ? 65535 : 255;
      const auto = pane.part.auto[1] - pane.part.auto[0];
      const width = Math.min(Math.max((limits[1] - limits[0]) * Math.exp(right / 200), 2), 2 * peak);
      const level = (limits[0] + limits[1]) / 2 - (down / 300) * auto;
      pane.window = [level - width / 2, level + width / 2];
    } else {
      this.line = [this.line[0], this.line[1], ...pane.onFilm(this.view, event)];
    }
    this.redraw();
  },

  forgetLine() {
    this.line = null;
    this.send("line", { film: this.data.film, points: null });
    this.redraw();
  },

  length() {
    return this.line ? Math.hypot(this.line[2] - this.line[0], this.line[3] - this.line[1]) : 0;
  },

  measured() {
    const pixels = this.length();
    const pitch = this.data.pitch; // never invented: only where the file states it
    return pitch ? `${pixels.toFixed(1)} px = ${(pixels * pitch).toFixed(2)} mm` : `${pixels.toFixed(1)} px`;
  },

  drawLine(pane) {
    const ink = pane.ink;
    const [x0, y0] = pane.onScreen(this.view, this.line[0], this.line[1]);
    const [x1, y1] = pane.onScreen(this.view, this.line[2], this.line[3]);
    ink.lineCap = "round";
    for (const [width, colour] of [[4, "rgba(0,0,0,.65)"], [1.5, "#ffd24a"]]) {
      ink.lineWidth = width;
      ink.strokeStyle = colour;
      ink.beginPath();
      ink.moveTo(x0, y0);
      ink.lineTo(x1, y1);
      ink.stroke();
    }
    ink.font = "600 12px system-ui, sans-serif";
    const text = this.measured();
    const wide = ink.measureText(text).width + 10;
    // Beside the line's middle, as far off as keeps the line free whatever its direction.
    const long = Math.max(Math.hypot(x1 - x0, y1 - y0), 1);
    const [across, up] = [(y1 - y0) / long, -(x1 - x0) / long];
    const side = up > 0 ? -1 : 1;
    const off = 8 + Math.abs(across) * (wide / 2) + Math.abs(up) * 10;
    const middle = [(x0 + x1) / 2 + side * across * off, (y0 + y1) / 2 + side * up * off];
    const left = Math.min(Math.max(middle[0] - wide / 2, 4), pane.canvas.clientWidth - wide - 4);
    const top = Math.min(Math.max(middle[1] - 9.5, 4), pane.canvas.clientHeight - 24);
    ink.fillStyle = "rgba(0,0,0,.75)";
    ink.fillRect(left, top, wide, 19);
    ink.fillStyle = "#ffd24a";
    ink.fillText(text, left + 5, top + 14);
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

  readOut(pane, event) {
    const [x, y] = pane.onFilm(this.view, event);
    const inside = x >= 0 && y >= 0 && x < this.data.width && y < this.data.height;
    const values = inside && this.visible().filter((one) => !one.part.same || this.visible().length === 1).map((one) => [one.part.title, one.grey(x, y)]).filter(([, value]) => value);
    const greys = (values || []).map(([title, [value, exact]]) => `${title.toLowerCase()} ${exact ? "" : "about "}${value}`);
    const place = `x ${Math.floor(x)}  y ${Math.floor(y)}`;
    const metric = this.data.pitch ? `  (${(x * this.data.pitch).toFixed(1)}, ${(y * this.data.pitch).toFixed(1)} mm)` : "";
    this.where.textContent = inside ? `${place}${metric}   ${[...new Set(greys)].join(", ")}` : "";
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

  drawGraph() {
    const profile = this.data.profile;
    const shown = Boolean(profile);
    if (this.graph.hidden === shown) {
      this.graph.hidden = !shown;
      requestAnimationFrame(() => { this.arrange(); this.drawGraph(); });
    }
    if (!shown) return;
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.graph;
    this.graph.setAttribute("role", "img");
    this.graph.setAttribute("aria-label", "Grey values along the line");
    this.graph.width = width * ratio;
    this.graph.height = height * ratio;
    const ink = this.graph.getContext("2d");
    ink.scale(ratio, ratio);
    ink.font = "11px system-ui, sans-serif";
    const [left, right, top, bottom] = [46, width - 10, 20, height - 18];
    const values = profile.series.flatMap((series) => series.values);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const pitch = this.data.pitch;
    const whole = this.length() * (pitch || 1);
    ink.strokeStyle = "rgba(159,179,200,.35)";
    ink.fillStyle = "#b9c4d0";
    [0, 0.5, 1].forEach((share) => {
      const y = bottom - share * (bottom - top);
      ink.beginPath();
      ink.moveTo(left, y);
      ink.lineTo(right, y);
      ink.stroke();
      ink.textAlign = "right";
      ink.fillText(String(Math.round(low + share * (high - low))), left - 5, y + 4);
      ink.textAlign = share === 0 ? "left" : share === 1 ? "right" : "center";
      ink.fillText(`${(share * whole).toFixed(pitch ? 2 : 0)} ${pitch ? "mm" : "px"}`, left + share * (right - left), height - 4);
    });
    profile.series.forEach((series, at) => {
      ink.strokeStyle = ink.fillStyle = ["#9fb3c8", "#ffd24a"][at % 2];
      ink.lineWidth = 1.3;
      ink.beginPath();
      series.values.forEach((value, step) => {
        const x = left + (step / Math.max(series.values.length - 1, 1)) * (right - left);
        const y = bottom - ((value - low) / Math.max(high - low, 1e-9)) * (bottom - top);
        if (step) ink.lineTo(x, y); else ink.moveTo(x, y);
      });
      ink.stroke();
      ink.textAlign = at ? "right" : "left";
      ink.fillText(`${series.title}, grey`, at ? right : left, 13);
    });
  },
});
