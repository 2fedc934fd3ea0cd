// Which of a film's own pixels are asked for: those on the screen, then those that the next and the last mark lie on.
const PLACES = 3; // on the screen, at the next mark, at the last mark
const QUICK = 400; // ms that pixels may take to arrive for more to be fetched ahead

Object.assign(Viewer.prototype, {
  // The part of the film that a view shows, with what it takes to show it sharply.
  partSeen(view, [wide, high]) {
    const [halfWidth, halfHeight] = this.laid(wide / 2 / view.scale, high / 2 / view.scale);
    const { width, height } = this.data;
    const seen = {
      x0: Math.max(0, view.x - halfWidth), y0: Math.max(0, view.y - halfHeight),
      x1: Math.min(width, view.x + halfWidth), y1: Math.min(height, view.y + halfHeight),
      density: Math.min(view.scale * (devicePixelRatio || 1), 1),
    };
    return seen.x1 > seen.x0 && seen.y1 > seen.y0 ? seen : null;
  },

  // What was asked for and holds all of a part, about as fine as it is shown.
  askedFor(seen) {
    const holds = (last) => last.film === this.data.film && last.x0 <= seen.x0 && last.y0 <= seen.y0 && last.x1 >= seen.x1 &&
      last.y1 >= seen.y1 && last.density >= seen.density * 0.87 && last.density <= seen.density * 2.5;
    return (this.asked ?? []).find(holds);
  },

  // A part with a margin, under the number of its place in the store.
  request(seen, slot) {
    const [wide, high] = [(seen.x1 - seen.x0) * 0.2, (seen.y1 - seen.y0) * 0.2];
    return {
      film: this.data.film, density: seen.density, slot,
      x0: Math.max(0, seen.x0 - wide), y0: Math.max(0, seen.y0 - high),
      x1: Math.min(this.data.width, seen.x1 + wide), y1: Math.min(this.data.height, seen.y1 + high),
    };
  },

  // Sharper pixels are asked for only where the film has more than were sent, and only for what is on the screen.
  askForPixels() {
    const first = this.visible()[0];
    if (!first?.part || !this.send) return;
    const coarse = this.visible().some((pane) => pane.coarse(this.view.scale));
    const glass = this.panes.find((pane) => pane.lens)?.lens;
    if (!coarse && !glass) return;
    const size = [first.canvas.clientWidth, first.canvas.clientHeight];
    const seen = coarse ? this.partSeen(this.view, size) : this.partSeen(glass.view, [4 * glass.radius, 4 * glass.radius]);
    if (!seen) return;
    const known = this.askedFor(seen);
    if (known) { this.askAhead(known); return; }
    this.asked = [this.request(seen, 0)];
    this.askedAt = performance.now();
    touch();
    this.send("region", this.asked[0]);
  },

  // How long the last pixels that were asked for took to stand on the screen.
  timePixels() {
    if (!this.askedAt || !this.visible().every((pane) => pane.sharp)) return;
    this.took = performance.now() - this.askedAt;
    this.askedAt = 0;
  },

  // Once a mark stands sharp: the pixels where N and P lead, on a link that brought the present ones at once.
  askAhead(now) {
    if (!this.desk || !this.jumped || !this.visible().every((pane) => pane.sharp)) return;
    if (this.took > QUICK) return;
    const { canvas } = this.visible()[0];
    const parts = [1, -1].map((by) => this.viewOf(markAfter(by))).filter(Boolean)
      .map((view) => this.partSeen(view, [canvas.clientWidth, canvas.clientHeight])).filter(Boolean);
    const kept = new Set([now, ...parts.map((seen) => this.askedFor(seen)).filter(Boolean)]);
    const free = [...Array(PLACES).keys()].filter((slot) => ![...kept].some((one) => one.slot === slot));
    parts.forEach((seen) => {
      if (![...kept].includes(this.askedFor(seen)) && free.length) kept.add(this.request(seen, free.shift()));
    });
    const [main, ...ahead] = kept;
    if (kept.size === this.asked.length && this.asked.every((one) => kept.has(one)) && this.asked[0] === main) return;
    this.asked = [main, ...ahead];
    this.send("region", { ...main, ahead });
  },
});
