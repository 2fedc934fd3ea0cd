// A page that outlives its session says so: the browser still shows names of films that the server no longer has.
const NOTICES = new WeakMap();

class Notice {
  constructor(root) {
    this.box = element("div", "notice");
    this.box.setAttribute("role", "alert");
    root.append(this.box);
    this.watch = setInterval(() => this.look(), 500);
  }

  close() {
    clearInterval(this.watch);
  }

  // A page that comes back to a server that was started anew asks for nothing, and what is pressed on it does nothing.
  look() {
    const away = Boolean(document.querySelector("[data-testid=stConnectionStatus]"));
    if (store.away && !away) this.trigger("back", (store.returns = (store.returns ?? 0) + 1));
    store.away = away;
    // Streamlit names its fields for files and calls them presentation at once; a name belongs to a group.
    document.querySelectorAll("[data-testid=stFileUploaderDropzone][role=presentation]").forEach((field) => field.setAttribute("role", "group"));
  }

  update({ session, text }) {
    store.session ??= session;
    this.box.replaceChildren();
    this.box.hidden = store.session === session;
    if (this.box.hidden) return;
    const away = button("Understood", "Put this notice away", () => { store.session = session; this.box.hidden = true; });
    this.box.append(element("span", "", text), away);
  }
}

export default mount(NOTICES, Notice);
