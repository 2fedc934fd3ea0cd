// One image: its pixels, its window, its heat, and where it lies on the original film.

const STAND_IN = 250; // ms

// From the film to the screen, but for the magnification: quarter turns clockwise, then mirrored. [a, b, c, d] of
// right = a x + b y, down = c x + d y; its inverse is its transpose.
const WAYS = [[1, 0, 0, 1], [0, -1, 1, 0], [-1, 0, 0, -1], [0, 1, -1, 0]];
function orientation({ turn = 0, mirrored = false }) {
  const [a, b, c, d] = WAYS[turn % 4];
  return mirrored ? [-a, -b, c, d] : [a, b, c, d];
}

function greys(bytes, part, window, inverted) {
  const values = part.depth === 16 ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1) : bytes;
  const levels = part.depth === 16 ? 65536 : 256;
  const [low, high] = window;
  const table = new Uint8ClampedArray(levels);
  for (let value = 0; value < levels; value++) table[value] = (inverted ? (high - value) : (value - low)) / Math.max(high - low, 1) * 255;
  const image = new ImageData(part.w, part.h);
  const out = new Uint32Array(image.data.buffer);
  if (part.channels === 1) {
    for (let at = 0; at < out.length; at++) out[at] = 0xff000000 | (table[values[at]] * 0x010101);
  } else {
    for (let at = 0, from = 0; at < out.length; at++, from += 3) {
      out[at] = 0xff000000 | (table[values[from + 2]] << 16) | (table[values[from + 1]] << 8) | table[values[from]];
    }
  }
  return image;
}

function heatImage(bytes, part, colours) {
  const image = new ImageData(part.w, part.h);
  for (let at = 0; at < bytes.length; at++) {
    const level = bytes[at];
    image.data.set(colours.subarray(3 * level, 3 * level + 3), 4 * at);
    image.data[4 * at + 3] = Math.round(Math.sqrt(level / 255) * 255); // the hotter the more opaque
  }
  return image;
}

function onCanvas(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

class Pane {
  constructor(parent) {
    this.box = element("div", "pane");
    this.canvas = element("canvas");
    this.canvas.setAttribute("role", "img");
    this.caption = element("div", "caption");
    this.note = element("div", "note");
    this.scale = element("div", "scale");
    this.scale.hidden = true;
    this.box.append(this.canvas, this.caption, this.note, this.scale);
    parent.append(this.box);
    this.drawn = {}; // slot kind -> {key, canvas}
    this.window = null;
    this.inverted = false;
  }

  describe(part) {
    if (this.part?.film !== part.film || this.part?.depth !== part.depth) this.window = null;
    this.part = part;
    this.caption.textContent = part.title;
    this.note.textContent = part.note ?? "";
  }

  // While new pixels of the same film are on their way, the ones before stand in for a moment; never those of another.
  standIn(known) {
    this.missing ??= performance.now();
    const late = performance.now() - this.missing;
    if (!known || known.film !== this.part.film || late > STAND_IN) return null;
    setTimeout(() => store.listeners.forEach((listener) => listener("late")), STAND_IN - late + 10);
    return known.canvas;
  }

  // Nothing of an image, and why.
  blank(text) {
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.caption.textContent = "";
    this.ink = null;
    this.there = false;
    this.wait(text);
  }

  wait(text) {
    this.note.textContent = text;
    this.box.classList.add("waits");
  }

  arrived() {
    this.note.textContent = this.part.note ?? "";
    this.box.classList.remove("waits");
  }

  limits() {
    return this.window ?? this.part.auto;
  }

  // The drawing of one part, made anew only where its pixels, window or colours are others.
  layer(kind, part, colours) {
    if (!part) return null;
    const found = store.slots.get(part.slot);
    const limits = this.limits();
    const look = kind === "heat" ? colours.name : `${limits.join()}/${this.inverted}`;
    const key = `${part.id}/${look}`;
    const known = this.drawn[kind];
    if (known?.key === key) return known.canvas;
    if (!found || found.id !== part.id) return kind === "whole" ? this.standIn(known) : null;
    if (kind === "whole") this.missing = null;
    const image = kind === "heat" ? heatImage(found.bytes, part, colours.table) : greys(found.bytes, part, limits, this.inverted);
    this.drawn[kind] = { key, film: this.part.film, canvas: onCanvas(image) };
    return this.drawn[kind].canvas;
  }

  paint(view, opacity, colours) {
    const ratio = globalThis.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height || !this.part) return;
    if (this.canvas.width !== Math.round(width * ratio)) this.canvas.width = Math.round(width * ratio);
    if (this.canvas.height !== Math.round(height * ratio)) this.canvas.height = Math.round(height * ratio);
    const ink = this.canvas.getContext("2d");
    ink.setTransform(1, 0, 0, 1, 0, 0);
    ink.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.there = this.layers(ink, view, [width / 2, height / 2], opacity, colours);
    if (this.lens && this.there) this.magnified(ink, view, opacity, colours);
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.ink = ink;
    this.sharp = this.there && this.isSharp(view, width, height);
    this.canvas.dataset.sharp = this.sharp;
  }

  // Whether a screen that shows the film this large has room for more pixels than were sent of the whole film.
  coarse(scale) {
    const dense = scale * (globalThis.devicePixelRatio || 1);
    return Math.min(dense, 1) > 1.15 * (this.part.w / this.part.width) / Math.hypot(this.part.to[0], this.part.to[3]);
  }

  // Whether everything on the screen is as fine as the screen or the film.
  isSharp(view, width, height) {
    if (!this.coarse(view.scale)) return true;
    const corners = [[-1, -1], [1, -1], [-1, 1], [1, 1]].map(([x, y]) => this.onImage(...this.placeAt(view, (x * width) / 2, (y * height) / 2)));
    const clip = (at, most) => Math.min(Math.max(at, 0), most);
    const [xs, ys] = [corners.map(([x]) => clip(x, this.part.width)), corners.map(([, y]) => clip(y, this.part.height))];
    const dense = Math.min(view.scale * (globalThis.devicePixelRatio || 1), 1);
    return this.part.tiles.some((tile) => store.slots.get(tile.slot)?.id === tile.id && tile.x0 <= Math.min(...xs) && tile.y0 <= Math.min(...ys) &&
      tile.x1 >= Math.max(...xs) && tile.y1 >= Math.max(...ys) && tile.w / (tile.x1 - tile.x0) >= 0.87 * dense);
  }

  // The film with its heat, the place of the view at ``middle`` of the canvas; whether all of it is there.
  layers(ink, view, middle, opacity, colours) {
    const ratio = globalThis.devicePixelRatio || 1;
    const scale = view.scale * ratio;
    const [a, b, c, d] = orientation(view);
    const [xx, xy, x0, yx, yy, y0] = this.part.to;
    const [right, down] = [x0 - view.x, y0 - view.y];
    ink.setTransform(
      scale * (a * xx + b * yx), scale * (c * xx + d * yx), scale * (a * xy + b * yy), scale * (c * xy + d * yy),
      (a * right + b * down) * scale + middle[0] * ratio, (c * right + d * down) * scale + middle[1] * ratio,
    );
    ink.imageSmoothingEnabled = scale * Math.hypot(xx, yx) < 3; // from there on one sees the pixels that there are
    ink.imageSmoothingQuality = "high";
    const whole = this.layer("whole", this.part, colours);
    if (whole) ink.drawImage(whole, 0, 0, this.part.width, this.part.height);
    for (const tile of this.part.tiles.toReversed()) { // what is on the screen comes first in the list, and lies on top
      const image = this.layer(tile.slot, tile, colours);
      if (image) ink.drawImage(image, tile.x0, tile.y0, tile.x1 - tile.x0, tile.y1 - tile.y0);
    }
    const heat = this.layer("heat", this.part.heat, colours);
    if (heat && whole) {
      ink.globalAlpha = opacity;
      ink.imageSmoothingEnabled = true;
      ink.drawImage(heat, 0, 0, this.part.width, this.part.height);
      ink.globalAlpha = 1;
    }
    return Boolean(whole) && (Boolean(heat) || !this.part.heat);
  }

  // A round glass over the place of the pointer.
  magnified(ink, view, opacity, colours) {
    const ratio = globalThis.devicePixelRatio || 1;
    const { at, radius } = this.lens;
    ink.save();
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.beginPath();
    ink.arc(at[0], at[1], radius, 0, 7);
    ink.clip();
    ink.fillStyle = "#14161a";
    ink.fillRect(at[0] - radius, at[1] - radius, 2 * radius, 2 * radius);
    this.layers(ink, this.lens.view, at, opacity, colours);
    ink.restore();
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.strokeStyle = "#4fd1ff";
    ink.lineWidth = 2;
    ink.beginPath();
    ink.arc(at[0], at[1], radius, 0, 7);
    ink.stroke();
  }

  onScreen(view, x, y) {
    const [a, b, c, d] = orientation(view);
    const [right, down] = [(x - view.x) * view.scale, (y - view.y) * view.scale];
    return [a * right + b * down + this.canvas.clientWidth / 2, c * right + d * down + this.canvas.clientHeight / 2];
  }

  onFilm(view, event) {
    const box = this.canvas.getBoundingClientRect();
    return this.placeAt(view, event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2);
  }

  // The place on the film that lies so far from the middle of the canvas.
  placeAt(view, across, along) {
    const [a, b, c, d] = orientation(view);
    const [right, down] = [across / view.scale, along / view.scale];
    return [a * right + c * down + view.x, b * right + d * down + view.y];
  }

  // A place of the original film on this image.
  onImage(x, y) {
    const [xx, xy, x0, yx, yy, y0] = this.part.to;
    const area = xx * yy - xy * yx;
    return [(yy * (x - x0) - xy * (y - y0)) / area, (xx * (y - y0) - yx * (x - x0)) / area];
  }

  // Grey value under a place of the original film: [value, exact], or null outside.
  grey(x, y) {
    const [px, py] = this.onImage(x, y);
    if (px < 0 || py < 0 || px >= this.part.width || py >= this.part.height) return null;
    const inTile = (tile) => px >= tile.x0 && px < tile.x1 && py >= tile.y0 && py < tile.y1 && store.slots.get(tile.slot)?.id === tile.id;
    const tile = this.part.tiles.find(inTile);
    const part = tile ?? this.part;
    const held = store.slots.get(part.slot);
    if (!held || held.id !== part.id || part.channels !== 1) return null;
    const [left, top, right, bottom] = tile ? [tile.x0, tile.y0, tile.x1, tile.y1] : [0, 0, part.width, part.height];
    const column = Math.floor(((px - left) / (right - left)) * part.w);
    const row = Math.floor(((py - top) / (bottom - top)) * part.h);
    const at = row * part.w + column;
    const bytes = held.bytes;
    const value = part.depth === 16 ? bytes[2 * at] | (bytes[2 * at + 1] << 8) : bytes[at];
    return [value, part.w === right - left && part.h === bottom - top];
  }
}
