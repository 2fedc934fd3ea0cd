// Which of several films is looked at: a list, and a button that leads to the next. What was asked for is known here at
// once, so that nothing of the film before stands beside the name of the next.
const CHOICES = new WeakMap();

class Choice {
  constructor(root) {
    this.box = element("div", "choice");
    this.list = element("select");
    this.list.setAttribute("aria-label", "Film");
    this.list.addEventListener("input", () => this.choose(this.list.value));
    this.next = button("Next film", "The next film of the list", () => {
      const ids = this.data.films.map((film) => film.id);
      this.choose(ids[(ids.indexOf(this.selected) + 1) % ids.length]);
    });
    this.box.append(this.list, this.next);
    root.append(this.box);
  }

  close() {
    if (store.awaited !== null) expect(null);
  }

  update(data) {
    this.data = data;
    if (data.selected !== this.answered) this.selected = this.answered = data.selected;
    this.list.replaceChildren(...data.films.map((film) => {
      const item = element("option", "", film.title);
      item.value = film.id;
      return item;
    }));
    this.list.value = this.selected;
    const gone = store.awaited !== null && !data.films.some((film) => film.id === store.awaited);
    if (gone || (!data.shown && data.selected === store.awaited)) expect(null); // no image will come
  }

  choose(id) {
    if (id === this.selected) return;
    this.selected = this.list.value = id;
    touch();
    expect(id);
    this.trigger("selected", id);
  }
}

export default mount(CHOICES, Choice);
