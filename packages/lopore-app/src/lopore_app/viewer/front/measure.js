// What is measured on a film: rulers that stay, the profile along the last one, boxes with their statistics.
Object.assign(Viewer.prototype, {
  measureDrawn(tool, drawn) {
    touch();
    if (Math.hypot(drawn[2] - drawn[0], drawn[3] - drawn[1]) < 2) { this.redraw(); return; }
    if (tool === "Area") {
      // All of them go along: what is drawn while the server works is not lost.
      if (this.areasOf !== this.data.film) Object.assign(this, { areasOf: this.data.film, areasDrawn: [] });
      const seq = Math.max(Date.now(), (this.areasDrawn.at(-1)?.seq ?? 0) + 1);
      this.areasDrawn = [...this.areasDrawn, { seq, points: drawn }].slice(-12);
      this.send("area", { film: this.data.film, drawn: this.areasDrawn });
    }
    else { this.lines = [...this.lines, drawn].slice(-20); this.sendLine(); }
    this.redraw();
  },

  sendLine() {
    this.send("line", { film: this.data.film, points: this.lines.at(-1) ?? null });
  },

  // Escape: out of a drawing tool, else the last ruler away.
  leave() {
    if (this.desk && this.drawing) { this.draw(null); return; }
    if (!this.lines.length) return;
    this.lines = this.lines.slice(0, -1);
    this.sendLine();
    this.redraw();
  },

  measured(line) {
    const pixels = Math.hypot(line[2] - line[0], line[3] - line[1]);
    const pitch = this.data.pitch; // never invented: only where it is known
    return pitch ? `${pixels.toFixed(1)} px = ${(pixels * pitch).toFixed(2)} mm` : `${pixels.toFixed(1)} px`;
  },

  drawMeasures(pane) {
    for (const area of this.data.areas ?? []) this.drawArea(pane, area.points, area.text);
    const under = this.drag?.drawn;
    if (under && this.drag.tool === "Area") this.drawArea(pane, under, "");
    const lines = under && this.drag.tool === "Line" ? [...this.lines, under] : this.lines;
    lines.forEach((line, at) => this.drawLine(pane, line, lines.length > 1 ? `${at + 1}: ` : ""));
  },

  drawArea(pane, [x0, y0, x1, y1], text) {
    const ink = pane.ink;
    const [one, other] = [pane.onScreen(this.view, x0, y0), pane.onScreen(this.view, x1, y1)];
    const [left, top] = [Math.min(one[0], other[0]), Math.min(one[1], other[1])];
    ink.setLineDash([4, 3]);
    ink.lineWidth = 1.5;
    ink.strokeStyle = "#7ee787";
    ink.strokeRect(left, top, Math.abs(other[0] - one[0]), Math.abs(other[1] - one[1]));
    ink.setLineDash([]);
    if (text) this.label(pane, text, left, top - 21, "#7ee787");
  },

  drawLine(pane, line, before) {
    const ink = pane.ink;
    const [x0, y0] = pane.onScreen(this.view, line[0], line[1]);
    const [x1, y1] = pane.onScreen(this.view, line[2], line[3]);
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
    const text = before + this.measured(line);
    const wide = ink.measureText(text).width + 10;
    // Beside the line's middle, as far off as keeps the line free whatever its direction.
    const long = Math.max(Math.hypot(x1 - x0, y1 - y0), 1);
    const [across, up] = [(y1 - y0) / long, -(x1 - x0) / long];
    const side = up > 0 ? -1 : 1;
    const off = 8 + Math.abs(across) * (wide / 2) + Math.abs(up) * 10;
    this.label(pane, text, (x0 + x1) / 2 + side * across * off - wide / 2, (y0 + y1) / 2 + side * up * off - 9.5, "#ffd24a");
  },

  label(pane, text, left, top, colour) {
    const ink = pane.ink;
    ink.font = "600 12px system-ui, sans-serif";
    const wide = ink.measureText(text).width + 10;
    const x = Math.min(Math.max(left, 4), pane.canvas.clientWidth - wide - 4);
    const y = Math.min(Math.max(top, 4), pane.canvas.clientHeight - 24);
    ink.fillStyle = "rgba(0,0,0,.75)";
    ink.fillRect(x, y, wide, 19);
    ink.fillStyle = colour;
    ink.fillText(text, x + 5, y + 14);
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

  drawGraph() {
    const profile = this.data.profile;
    const shown = Boolean(profile?.series.length && this.lines.length);
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
    const line = this.lines.at(-1) ?? [0, 0, 0, 0];
    const whole = Math.hypot(line[2] - line[0], line[3] - line[1]) * (pitch || 1);
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
