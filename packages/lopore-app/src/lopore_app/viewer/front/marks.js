// Marks of a whole film in the viewer: drawn by verdict, chosen by a click, boxes drawn and moved; an overview of the film.
const INKS = { open: "#ffd24a", accepted: "#ff5c5c", rejected: "#9fb3c8" };
const TOOLS = { Box: "box", Ellipse: "ellipse", Polyline: "polyline", "Not judged": "ignore" };

Object.assign(Viewer.prototype, {
  deskUpdate(desk) {
    this.desk = desk;
    if (!desk) { this.deskBar?.remove(); this.touchBar?.remove(); this.tally?.remove(); this.overview?.remove(); this.deskBar = this.overview = null; return; }
    if (!this.deskBar) this.deskParts();
    acts.send = (name, value) => this.send(name, value);
    acts.viewKey = (event) => this.viewKey(event);
    takeActs(desk);
    this.count();
  },

  deskParts() {
    this.deskBar = element("span", "group desk");
    this.drawing = null;
    Object.keys(TOOLS).forEach((name) => {
      const titles = { Box: "Draw a missed mark: drag a box", Ellipse: "Drag an ellipse", Polyline: "Click corners, Enter ends",
        "Not judged": "Drag a box over letters, wires, film edge: not to be judged" };
      const item = button(name, titles[name], () => this.draw(this.drawing === TOOLS[name] ? null : TOOLS[name]));
      item.dataset.tool = TOOLS[name];
      this.deskBar.append(item);
    });
    this.bar.append(this.deskBar);
    // What the keys do, for a finger.
    const touch = element("span", "group touch");
    touch.append(
      button("Prev", "Previous mark (P)", () => step(-1)), button("Next", "Next mark (N)", () => step(1)),
      button("Accept", "Accept the mark (A)", () => verdict("accept")), button("Reject", "Reject the mark (R)", () => verdict("reject")),
      button("Undo", "One step back (U)", () => act("undo")),
    );
    this.bar.append(touch);
    this.touchBar = touch;
    this.tally = element("span", "open");
    this.tally.setAttribute("role", "status");
    this.bar.append(this.tally);
    this.overview = element("canvas", "overview");
    this.overview.setAttribute("role", "img");
    this.overview.title = "The whole film with all marks; a click goes there. Hatched: not judged (yet)";
    this.frame.insertBefore(this.overview, this.graph);
    this.overview.addEventListener("pointerdown", (event) => {
      const box = this.overview.getBoundingClientRect();
      const scale = this.overviewScale();
      this.view = { ...this.view, x: (event.clientX - box.left - scale.left) / scale.by, y: (event.clientY - box.top - scale.top) / scale.by };
      this.fitted = false;
      this.redraw();
    });
    this.actListener = (what) => {
      if (what === "selected" && acts.jump) this.jump();
      if (what === "help") this.help();
      if (what === "class") this.classes();
      if (what === "box") this.boxInTheMiddle();
      this.count();
      this.redraw();
    };
    acts.listeners.add(this.actListener);
  },

  draw(tool) {
    this.drawing = tool;
    this.sketch = null;
    [...this.deskBar.children].forEach((item) => pressed(item, item.dataset.tool === tool));
    this.frame.dataset.tool = tool ? "Line" : this.tool;
  },

  count() {
    const marks = seenMarks();
    const open = marks.filter((mark) => mark.verdict === "open").length;
    const state = { waiting: "not inspected yet", running: "being inspected", unjudged: "cannot be judged by this model", judged: "inspected" }[this.desk?.state];
    this.overview?.setAttribute("aria-label", `The whole film with all marks, ${state}; a click goes there`);
    if (this.tally) this.tally.textContent = marks.length ? `${open} of ${marks.length} open` : "no marks";
  },

  // One film pixel on one screen pixel, with the mark in the middle of what lies around it.
  viewOf(number) {
    const mark = seenMarks().find((one) => one.number === number);
    if (!mark) return null;
    const [x0, y0, x1, y1] = mark.box;
    const { clientWidth: width, clientHeight: height } = this.visible()[0].canvas;
    const native = 1 / (devicePixelRatio || 1);
    const fits = Math.min(width / Math.max(1.6 * (x1 - x0), 1), height / Math.max(1.6 * (y1 - y0), 1));
    return { ...this.view, x: (x0 + x1) / 2, y: (y0 + y1) / 2, scale: Math.min(native, fits) };
  },

  jump() {
    const view = this.viewOf(acts.selected);
    if (!view) return;
    this.view = view;
    this.jumped = true;
    this.fitted = false;
    this.landed = true; // nothing follows: its own pixels are asked for at once
    this.redraw();
  },

  drawDesk(pane) {
    const ink = pane.ink;
    for (const region of this.desk.ignored) this.hatch(pane, region.box);
    const marks = pane === this.panes[0] ? seenMarks() : this.desk.beside ?? [];
    const chosen = pane === this.panes[0] ? marks.filter((mark) => mark.number === acts.selected) : [];
    this.labels = [];
    chosen.forEach((mark) => this.labelPlace(pane, mark)); // its number is never left out
    for (const mark of [...marks.filter((one) => !chosen.includes(one)), ...chosen]) this.drawMark(pane, mark, chosen.includes(mark));
    for (const [x, y] of this.handles(pane)) {
      ink.fillStyle = "#ffffff";
      ink.strokeStyle = "#0c0d10";
      ink.lineWidth = 1;
      ink.fillRect(x - 4, y - 4, 8, 8);
      ink.strokeRect(x - 4, y - 4, 8, 8);
    }
    if (this.sketch) {
      ink.setLineDash([5, 4]);
      ink.strokeStyle = "#4fd1ff";
      ink.lineWidth = 2;
      ink.beginPath();
      this.sketchLine().forEach(([x, y]) => ink.lineTo(...pane.onScreen(this.view, x, y)));
      ink.stroke();
      ink.setLineDash([]);
    }
  },

  // Open, accepted and rejected differ in colour, in the line and in the sign at the number.
  drawMark(pane, mark, chosen) {
    const ink = pane.ink;
    const path = new Path2D();
    for (let at = 0; at < mark.points.length; at += 2) path.lineTo(...pane.onScreen(this.view, mark.points[at], mark.points[at + 1]));
    path.closePath();
    const dash = { open: [], accepted: [], rejected: [6, 4] }[mark.verdict];
    for (const [width, colour] of [[chosen ? 6 : 4, "rgba(0,0,0,.65)"], [chosen ? 3 : 1.6, INKS[mark.verdict]]]) {
      ink.setLineDash(dash);
      ink.lineWidth = width;
      ink.strokeStyle = colour;
      ink.stroke(path);
    }
    ink.setLineDash([]);
    const place = chosen ? this.labels[0] : this.labelPlace(pane, mark);
    if (!place) return;
    ink.fillStyle = chosen ? "#ffffff" : INKS[mark.verdict];
    ink.fillRect(place.left, place.top, place.wide, 17);
    ink.fillStyle = "#0c0d10";
    ink.fillText(place.text, place.left + 4, place.top + 13);
  },

  // Where a mark's number stands; null off the canvas and where it would hide another one.
  labelPlace(pane, mark) {
    const sign = { open: "", accepted: "✓", rejected: "✗" }[mark.verdict];
    const text = `${mark.number}${sign}`;
    pane.ink.font = "600 12px system-ui, sans-serif";
    const corners = [pane.onScreen(this.view, mark.box[0], mark.box[1]), pane.onScreen(this.view, mark.box[2], mark.box[3])];
    const place = { text, wide: pane.ink.measureText(text).width + 8, left: Math.max(corners[0][0], corners[1][0]) + 4, top: Math.min(corners[0][1], corners[1][1]) - 18 };
    const { clientWidth: width, clientHeight: height } = pane.canvas;
    if (place.left < -place.wide || place.top < -18 || place.left > width || place.top > height) return null;
    place.left = Math.min(place.left, width - place.wide - 2);
    place.top = Math.max(place.top, 2);
    const hides = this.labels.some((one) => place.left < one.left + one.wide + 2 && one.left < place.left + place.wide + 2 && Math.abs(place.top - one.top) < 18);
    if (hides) return null;
    this.labels.push(place);
    return place;
  },

  hatch(pane, [x0, y0, x1, y1]) {
    const [one, other] = [pane.onScreen(this.view, x0, y0), pane.onScreen(this.view, x1, y1)];
    const [left, right] = [Math.min(one[0], other[0]), Math.max(one[0], other[0])];
    const [top, bottom] = [Math.min(one[1], other[1]), Math.max(one[1], other[1])];
    this.hatchBox(pane.ink, [left, top, right, bottom], "159,179,200");
  },

  // In the strip: the whole film until a model has looked at it, in violet where it cannot be judged, and regions. While
  // a run goes on everything that it has not judged, and where it found something so far.
  overviewHatch(ink, { by, left, top }) {
    const box = ([x0, y0, x1, y1]) => [left + by * x0, top + by * y0, left + by * x1, top + by * y1];
    const [wide, high] = [this.data.width, this.data.height];
    const hidden = (part, colour) => { // darker too: on a grainy film lines alone are hardly seen
      const [x0, y0, x1, y1] = box(part);
      ink.fillStyle = "rgba(12,13,16,.5)";
      ink.fillRect(x0, y0, x1 - x0, y1 - y0);
      this.hatchBox(ink, [x0, y0, x1, y1], colour);
    };
    if (this.desk.state === "waiting") hidden([0, 0, wide, high], "159,179,200");
    if (this.desk.state === "unjudged") hidden([0, 0, wide, high], "171,150,240");
    if (this.desk.state === "running") {
      const { judged, places } = this.parts();
      const [x0, y0, x1, y1] = judged ?? [0, 0, 0, 0];
      const around = judged ? [[0, 0, x0, high], [x1, 0, wide, high], [x0, 0, x1, y0], [x0, y1, x1, high]] : [[0, 0, wide, high]];
      around.filter(([a, b, c, d]) => c - a >= 1 && d - b >= 1).forEach((part) => hidden(part, "159,179,200"));
      ink.strokeStyle = INKS.open;
      ink.lineWidth = 1.5;
      places.map(box).forEach(([a, b, c, d]) => ink.strokeRect(a - 1, b - 1, Math.max(c - a, 1) + 2, Math.max(d - b, 1) + 2));
    }
    this.desk.ignored.forEach((region) => this.hatchBox(ink, box(region.box), "159,179,200"));
  },

  // What the run on this film has judged so far, as it arrived last; nothing of another film's.
  parts() {
    const held = store.slots.get("film/parts");
    const found = held ? JSON.parse(new TextDecoder().decode(held.bytes)) : null;
    return found?.film === this.data.film ? found : { judged: null, places: [] };
  },

  hatchBox(ink, [left, top, right, bottom], colour) {
    ink.save();
    ink.beginPath();
    ink.rect(left, top, right - left, bottom - top);
    ink.clip();
    ink.strokeStyle = `rgba(${colour},.55)`;
    ink.lineWidth = 1;
    for (let x = left - (bottom - top); x < right; x += 9) {
      ink.beginPath();
      ink.moveTo(x, bottom);
      ink.lineTo(x + (bottom - top), top);
      ink.stroke();
    }
    ink.restore();
    ink.strokeStyle = `rgba(${colour},.8)`;
    ink.strokeRect(left, top, right - left, bottom - top);
  },

  overviewScale() {
    const { clientWidth: width, clientHeight: height } = this.overview;
    const by = Math.min(width / this.data.width, height / this.data.height);
    return { by, left: (width - by * this.data.width) / 2, top: (height - by * this.data.height) / 2 };
  },

  drawOverview() {
    const pane = this.panes[0];
    const ratio = devicePixelRatio || 1;
    const width = this.overview.clientWidth;
    if (!width) return;
    const height = Math.round(Math.min(Math.max((width * this.data.height) / this.data.width, 28), 72));
    this.overview.style.height = this.overview.style.flexBasis = `${height}px`;
    Object.assign(this.overview, { width: width * ratio, height: height * ratio });
    const ink = this.overview.getContext("2d");
    ink.scale(ratio, ratio);
    const { by, left, top } = this.overviewScale();
    const whole = pane.drawn.whole?.canvas;
    if (whole && pane.there) ink.drawImage(whole, left, top, by * this.data.width, by * this.data.height);
    this.overviewHatch(ink, { by, left, top });
    for (const mark of seenMarks()) {
      const [x, y] = [left + (by * (mark.box[0] + mark.box[2])) / 2, top + (by * (mark.box[1] + mark.box[3])) / 2];
      ink.fillStyle = mark.number === acts.selected ? "#ffffff" : INKS[mark.verdict];
      ink.strokeStyle = "#0c0d10";
      ink.beginPath();
      if (mark.verdict === "rejected") ink.rect(x - 2.5, y - 2.5, 5, 5);
      else if (mark.verdict === "accepted") { ink.moveTo(x, y - 4); ink.lineTo(x + 4, y + 3); ink.lineTo(x - 4, y + 3); ink.closePath(); }
      else ink.arc(x, y, 3, 0, 7);
      ink.fill();
      ink.stroke();
    }
    const canvas = this.visible()[0].canvas;
    const [half, high] = this.laid(canvas.clientWidth / 2 / this.view.scale, canvas.clientHeight / 2 / this.view.scale);
    ink.strokeStyle = "#4fd1ff";
    ink.lineWidth = 1.5;
    const ends = (middle, reach, most) => [Math.max(0, middle - reach), Math.min(most, middle + reach)];
    const [x0, x1] = ends(this.view.x, half, this.data.width);
    const [y0, y1] = ends(this.view.y, high, this.data.height);
    ink.strokeRect(left + by * x0 + 1, top + by * y0 + 1, Math.max(by * (x1 - x0) - 2, 1), Math.max(by * (y1 - y0) - 2, 1));
  },

  // A drawn mark without a pointer: a box of a tenth of what is seen, around the middle of the view.
  boxInTheMiddle() {
    const { clientWidth: width, clientHeight: height } = this.visible()[0].canvas;
    const half = Math.min(width, height) / 20 / this.view.scale;
    const { x, y } = this.view;
    act("draw", { shape: "box", points: [x - half, y - half, x + half, y + half] });
  },

  // The classes as buttons: the mark is accepted as what is chosen.
  classes() {
    this.sheet?.remove();
    const number = acts.selected;
    if (number === null || !this.desk.classes.length) { this.sheet = null; return; }
    this.sheet = element("div", "sheet classes");
    this.sheet.setAttribute("role", "dialog");
    this.sheet.setAttribute("aria-label", `Class of mark ${number}`);
    const close = () => { this.sheet?.remove(); this.sheet = null; };
    this.desk.classes.forEach((name) => {
      this.sheet.append(button(name.replaceAll("_", " "), `Mark ${number} is ${name}`, () => { act("label", { mark: number, class: name }); close(); }));
    });
    this.sheet.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
    this.frame.append(this.sheet);
    this.sheet.firstChild.focus();
  },

  help() {
    if (this.sheet) { this.sheet.remove(); this.sheet = null; return; }
    this.sheet = element("div", "sheet");
    this.sheet.setAttribute("role", "dialog");
    this.sheet.setAttribute("aria-label", "Keys");
    const keys = [["N, P", "next, previous mark at 1:1"], ["A, R", "accept, reject; then the next open one"], ["L", "another class"],
      ["O", "open again"], ["U", "undo"], ["B", "box what lies in the middle of the view"], ["Delete", "erase a mark that was drawn"], ["F, 1", "whole film, 1:1"], ["+, −", "magnify"], ["I, T, M", "invert, turn, mirror"], ["Z", "magnifying glass"],
      ["Shift and arrows", "move the film"], ["Right drag", "grey window"], ["Enter", "end a polyline"], ["Escape", "last ruler away"], ["?", "this list"]];
    keys.forEach(([key, what]) => this.sheet.append(element("b", "", key), element("span", "", what)));
    this.frame.append(this.sheet);
  },
});
