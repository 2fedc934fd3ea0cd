// Marks that are drawn on a film by hand, and pulled by their corners.
Object.assign(Viewer.prototype, {
  // The corners by which a mark that a person drew is pulled, on the screen.
  handles(pane) {
    const mark = pane === this.panes[0] && seenMarks().find((one) => one.number === acts.selected && one.drawn);
    if (!mark) return [];
    const [x0, y0, x1, y1] = mark.box;
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]].map(([x, y]) => pane.onScreen(this.view, x, y));
  },

  // A corner under the pointer: the sketch is a box from the corner across to it.
  grabbed(pane, event) {
    const box = pane.canvas.getBoundingClientRect();
    const corners = this.handles(pane);
    const at = corners.findIndex(([x, y]) => Math.hypot(x - (event.clientX - box.left), y - (event.clientY - box.top)) < 9);
    if (at < 0) return null;
    const [x0, y0, x1, y1] = seenMarks().find((one) => one.number === acts.selected).box;
    const across = [[x1, y1], [x0, y1], [x0, y0], [x1, y0]][at];
    return { tool: "box", move: acts.selected, points: [across, pane.onFilm(this.view, event)], live: true };
  },

  sketchLine() {
    const { tool, points } = this.sketch;
    if (tool === "polyline") return points;
    const [[x0, y0], [x1, y1]] = [points[0], points.at(-1)];
    if (tool !== "ellipse") return [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]];
    return Array.from({ length: 41 }, (_, at) => {
      const angle = (at / 40) * 2 * Math.PI;
      return [(x0 + x1) / 2 + ((x1 - x0) / 2) * Math.cos(angle), (y0 + y1) / 2 + ((y1 - y0) / 2) * Math.sin(angle)];
    });
  },

  // True where the gesture belongs to the desk.
  deskDown(pane, event) {
    if (!this.desk || event.button) return false;
    if (this.drawing && pane !== this.panes[0]) return true; // a mark belongs to the film that is read
    const at = pane.onFilm(this.view, event);
    if (this.drawing === "polyline") {
      this.sketch ??= { tool: "polyline", points: [] };
      this.sketch.points.push(at);
      this.redraw();
      return true;
    }
    if (this.drawing) {
      this.sketch = { tool: this.drawing, points: [at, at], live: true };
      return true;
    }
    this.sketch = this.grabbed(pane, event);
    if (this.sketch) return true;
    this.pressedAt = [event.clientX, event.clientY];
    return false;
  },

  deskMove(pane, event) {
    if (!this.sketch?.live || !pane) return Boolean(this.sketch?.live);
    this.sketch.points[1] = pane.onFilm(this.view, event);
    this.redraw();
    return true;
  },

  deskUp(event) {
    if (this.sketch?.live) {
      this.endSketch();
      return true;
    }
    const [x, y] = this.pressedAt ?? [NaN, NaN];
    this.pressedAt = null;
    if (!this.desk || Math.hypot(event.clientX - x, event.clientY - y) > 4 || !(x === x)) return false;
    const pane = this.panes.find((one) => event.composedPath().includes(one.canvas)) ?? this.panes[0];
    const [fx, fy] = pane.onFilm(this.view, event);
    const reach = 6 / this.view.scale;
    const hits = seenMarks().filter(({ box }) => fx >= box[0] - reach && fx <= box[2] + reach && fy >= box[1] - reach && fy <= box[3] + reach);
    hits.sort((one, other) => (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]) - (other.box[2] - other.box[0]) * (other.box[3] - other.box[1]));
    if (hits.length) select(hits[0].number, false);
    return false;
  },

  endSketch() {
    const { tool, points, move } = this.sketch;
    this.sketch = null;
    const flat = (tool === "polyline" ? points : [points[0], points.at(-1)]).flat();
    const wide = Math.hypot(flat[0] - flat.at(-2), flat[1] - flat.at(-1));
    if (move) { if (wide > 1) act("move", { mark: move, points: flat }); }
    else if (tool === "polyline" ? points.length > 2 : wide > 1) act(tool === "ignore" ? "ignore" : "draw", { shape: tool, points: flat });
    this.draw(null);
    this.redraw();
  },
});
