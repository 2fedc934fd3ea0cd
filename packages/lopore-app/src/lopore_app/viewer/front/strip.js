// The films of the batch: thumbnail, state, decision. Left and right arrows go to the next film.
const STRIPS = new WeakMap();
const IDLE = 500; // ms without a touch until the films that wait are asked for

class Strip {
  constructor(root) {
    this.box = element("div", "strip");
    this.box.setAttribute("role", "listbox");
    this.box.setAttribute("aria-label", "Films");
    this.tally = element("div", "tally");
    this.tally.setAttribute("role", "status");
    root.append(this.box, this.tally);
    this.cards = new Map();
    this.listener = (slot) => { if (slot === "thumbnails") this.thumbs(); };
    store.listeners.add(this.listener);
    this.keys = (event) => this.pressed(event);
    document.addEventListener("keydown", this.keys);
  }

  close() {
    store.listeners.delete(this.listener);
    document.removeEventListener("keydown", this.keys);
    if (store.awaited !== null) expect(null);
    clearTimeout(this.later);
  }

  update(data) {
    const order = data.films.map((film) => film.id).join();
    if (order !== this.order) {
      this.order = order;
      this.cards.clear();
      this.box.replaceChildren(...data.films.map((film) => this.card(film)));
      this.thumbs();
    }
    this.data = data;
    if (data.selected !== this.answered) this.selected = this.answered = data.selected;
    data.films.forEach((film) => {
      const card = this.cards.get(film.id);
      card.className = `film ${film.tone}`;
      card.lastChild.textContent = film.state;
    });
    this.tally.textContent = data.tally;
    const gone = store.awaited !== null && !this.cards.has(store.awaited);
    if (gone || (!data.shown && data.selected === store.awaited)) expect(null); // no image will come
    this.mark();
    clearTimeout(this.later);
    if (data.more) this.later = setTimeout(() => this.askMore(), 60);
  }

  // The films that were not looked at are answered while nobody dials.
  askMore() {
    const idle = performance.now() - store.touched;
    if (idle < IDLE || document.hidden) this.later = setTimeout(() => this.askMore(), Math.max(IDLE - idle, 100));
    else this.trigger("more", (this.asked = (this.asked ?? 0) + 1));
  }

  card(film) {
    const card = element("button", "film");
    card.type = "button";
    card.title = film.name;
    card.setAttribute("role", "option");
    // Names of a series begin alike: both ends are seen, and the whole name is read out.
    const name = element("span", "title");
    name.append(element("span", "begin", film.name.slice(0, -8)), element("span", "", film.name.slice(-8)));
    card.append(element("span", "thumb"), name, element("span", "state"));
    card.addEventListener("click", () => this.choose(film.id));
    this.cards.set(film.id, card);
    return card;
  }

  thumbs() {
    const held = store.slots.get("thumbnails");
    if (!held) return;
    const found = JSON.parse(new TextDecoder().decode(held.bytes));
    this.cards.forEach((card, id) => {
      if (found[id]) card.firstChild.style.backgroundImage = `url("data:image/jpeg;base64,${found[id]}")`;
    });
  }

  choose(id) {
    if (id === this.selected) return;
    this.selected = id;
    touch();
    this.mark();
    expect(id);
    this.trigger("selected", id);
  }

  mark() {
    this.cards.forEach((card, id) => {
      const on = id === this.selected;
      card.setAttribute("aria-selected", on);
      card.tabIndex = on ? 0 : -1; // one stop for the strip: the arrows go from film to film
      if (on && this.seen !== id) card.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    this.seen = this.selected;
  }

  pressed(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const at = event.composedPath()[0];
    if (!by || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || !this.data) return;
    const taken = "input:not([type=radio]), textarea, select, [role=slider], [role=tab], [contenteditable]";
    if (at.matches?.(taken) || (at.matches?.("[role=radio]") && !at.closest?.(".st-key-verdict"))) return;
    const ids = this.data.films.map((film) => film.id);
    const next = ids[ids.indexOf(this.selected) + by];
    if (!next) return;
    event.preventDefault();
    const inside = this.cards.get(this.selected)?.matches(":focus");
    this.choose(next);
    if (inside) this.cards.get(next)?.focus();
  }
}

export default mount(STRIPS, Strip);
